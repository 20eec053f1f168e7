"""One repeat of one combination in a process of its own, and the plan that all of them make."""
