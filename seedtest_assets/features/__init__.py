"""Topic abilities, daily features, and the improvement index I_t."""
