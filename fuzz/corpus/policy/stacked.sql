select a, b from hr."Salary" s join [u] on s.x = u.y -- c
 where z in (select 1); drop table t