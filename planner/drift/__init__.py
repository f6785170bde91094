"""Is a plan still right? What was measured, charged and offered since, against what it promised."""
