"""`python -m raycl`: the `raycl` command."""

from raycl.cli.main import main

if __name__ == "__main__":
    main()
