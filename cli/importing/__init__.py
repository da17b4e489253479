"""What `frontrow import` is made of: lines to event bodies, event bodies to the API, and an account of it."""
