"""``vtrial pk``."""

from . import session

HELP = "concentration-time profiles and NCA of a regimen or of NONMEM's event records"


def arguments(parser):
    parser.add_argument("--drug", help="a drug on the shelf, or its folder")
    parser.add_argument("--card", default="pk", help="which of the drug's cards (default pk)")
    parser.add_argument("--structure", help="a structure by name, with --set, instead of a drug; see `vtrial list structures`")
    parser.add_argument("--set", action="append", default=[], metavar="NAME=VALUE", help="a parameter: CL, V1, KA, F1, ALAG1 …")
    parser.add_argument("--omega", action="append", default=[], metavar="NAME=SD", help="a log-normal random effect")
    parser.add_argument("--regimen", help='in words: "3.6 mg/kg q3w x 6"')
    parser.add_argument("--events", metavar="FILE.csv", help="event records with NONMEM's columns")
    parser.add_argument("--interpolation", choices=("nocb", "locf", "linear"), default="nocb", help="of time-varying columns")
    parser.add_argument("--time-unit", choices=("d", "h"), default="d", help="of TIME with --drug (default d)")
    parser.add_argument("--population", help="a population on the shelf, a card, or your own table (.csv): draws patients")
    parser.add_argument("--n", type=session.positive, help="patients drawn (default: one typical patient)")
    parser.add_argument("--uncertain", action="store_true", help="typical values drawn within their standard errors")
    parser.add_argument("--measured", action="store_true", help="adds columns with residual error (analyte_DV, analyte_BLQ)")
    parser.add_argument("--lloq", type=float, help="limit of quantification, in the analyte's unit")
    parser.add_argument("--until", type=float, metavar="DAYS", help="end of a regimen's profile")
    parser.add_argument("--out", help="writes concentrations.csv and .parquet, nca.csv, profile.png")


def run(args):
    session.start_jax()
    from .. import profiles

    profiles.check(args)
    found = profiles.of_structure(args) if args.structure else profiles.of_drug(args)
    table = profiles.nca_table(found)
    if args.out:
        profiles.write(args.out, found, table)
    if args.json:
        return session.emit(profiles.summary(found, table, args))
    print(profiles.text(found, table, args), end="")
