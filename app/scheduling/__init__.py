"""Who works on a host: one driver per host owns its work, by a lease; ``planner`` decides, ``queue`` holds the jobs."""
