"""The methods tsit5 and taylor for one trajectory of a network equation."""
