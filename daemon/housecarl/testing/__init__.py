"""For tests of modules and of housecarl itself: a fake phone, a whole house, a simulated plug."""
