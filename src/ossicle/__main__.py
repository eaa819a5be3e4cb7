"""`python -m ossicle` is the command line."""

from ossicle.cli.main import main

if __name__ == "__main__":
    main()
