"""WHAT WE EXPECT: pure functions for identities, features, models, scores and reasons."""
