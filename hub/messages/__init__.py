"""What people are told of their appointments, by e-mail or SMS: the words, the ways, and who sends them."""
