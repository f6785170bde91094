"""The uncapacitated problem, exactly, by decisions on sites alone.

With the open sites known every client goes to the nearest, so only sites are decided: a few hundred, however
many clients there are. In the order of work:

1. `instance`: whole-number costs, sorted lists of sites per client.
2. `dual_ascent`: multipliers and a first choice of sites (Erlenkotter 1978).
3. `local_search`: add, drop, swap (Whitaker 1983; Resende & Werneck 2006).
4. `lagrangian`: bounds by the subgradient method, with bounds on the number of sites or a budget
   (Cornuéjols, Fisher & Nemhauser 1977; Beasley 1993).
5. `fixing`: sites settled by their reduced costs; shorter lists.
6. `tighten`: steps 3 to 5 in turn.
7. `branch_and_bound`: over the sites that are left (Posta, Ferland & Michelon 2014).
"""
