"""Result files of the two OTB toolkits."""
