import logging

# On some CPUs bitsandbytes asks at import for another package, with a faster product in 4 bits, which no notebook needs.
logging.getLogger("bitsandbytes.backends.cpu.ops").setLevel(logging.ERROR)
