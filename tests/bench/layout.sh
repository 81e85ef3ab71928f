part_layout() { :; }
