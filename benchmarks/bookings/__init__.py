"""How many bookings a second one hot event sells, over HTTP, beside other designs and the machine's bound."""
