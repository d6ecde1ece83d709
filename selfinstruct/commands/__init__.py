"""One file a command: each opens what it is given, calls one function of the API and prints."""
