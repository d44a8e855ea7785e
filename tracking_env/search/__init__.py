"""Looking where one last pointed: the search window, its regions, proposals."""
