"""The measuring agent: what a cron host installs, and nothing more.

Imports neither planner nor anything heavy; the standard library, dnspython and h11 are enough.
"""

AGENT_VERSION = "0.1.0"
