"""The search for the smallest design, and the jobs that it runs."""
