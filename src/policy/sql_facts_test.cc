#include "policy/sql_facts.h"

#include <doctest/doctest.h>

#include <string>
#include <string_view>

using namespace latticegate;
using namespace latticegate::policy;

namespace {

// "select employee", "unknown!"; the mark says multi.
std::string read(std::string_view sql) {
  cedar::Arena arena;
  const SqlFacts facts = sql_facts(sql, arena);
  std::string text(facts.verb);
  if (facts.multi) text += "!";
  for (const std::string_view table : facts.tables) text += " " + std::string(table);
  return text;
}

struct Row {
  std::string_view sql;
  std::string_view facts;
};

}  // namespace

TEST_CASE("one statement, its verb and its tables") {
  constexpr Row rows[] = {
      {"select 1", "select"},
      {"SELECT * FROM Employee LIMIT 5", "select employee"},
      {"  \n select a from t;  ", "select t"},
      {"select a from t -- all of them\n where b = 1", "select t"},
      {"select /* from x */ a from t", "select t"},
      {"select a from hr.salary s", "select salary hr.salary"},
      {"select a from \"HR\".\"Salary\"", "select salary hr.salary"},
      {"select a from `salary`", "select salary"},
      {"select a from [salary]", "select salary"},
      {"select a from t, u x, v as y where 1", "select t u v"},
      {"select a from t join u on t.salary = u.id left join v using (id)", "select t u v id"},
      {"select (select max(x) from u) from t", "select u t"},
      {"select * from (select * from u) s, v", "select u v"},
      {"(select a from t) union (select b from u)", "select t u"},
      {"select a from t union all select b from u", "select t u"},
      {"select 'drop table x; from y' from t", "select t"},
      {"select 'it''s' from t", "select t"},
      {"select count(*) from t where a in (select b from u)", "select t u"},
      {"select replace(a, 'b', 'c') from t", "select t"},
      {"select a from t for update", "select t"},
      {"select $1 from t where a = $2", "select t"},
      {"select a from t where a = ? and b = :b", "select t"},
      {"insert into t (a, b) values (1, 2), (3, 4)", "insert t"},
      {"insert into t select * from u", "insert t u"},
      {"insert into t values (1) on conflict do update set a = 1", "insert t"},
      {"update t set a = 1 where b in (select b from u)", "update t u"},
      {"delete from t where a = 1", "delete t"},
      {"drop table if exists t", "drop t"},
      {"truncate t", "truncate t"},
      {"alter table hr.t add column c int", "alter t hr.t"},
      {"merge into t using u on t.a = u.a when matched then update set b = 1", "merge t u"},
      {"explain analyze delete from t", "explain t"},
      {"pragma table_info(t)", "pragma"},
      {"with a as (select 1) select * from a", "select a"},
      {"with a as (delete from t returning *) select * from a", "delete t a"},
      {"select * into backup from t", "select_into backup t"},
      {"values (1), (2)", "values"},
      {"select t.from from t", "select t"},
  };
  for (const Row& row : rows) {
    CAPTURE(row.sql);
    CHECK(read(row.sql) == row.facts);
  }
}

TEST_CASE("several statements are seen, with and without a semicolon") {
  for (const std::string_view sql :
       {"select 1; drop table t", "select 1; select 2", "select 1;; select 2",
        "select 1; -- x\n delete from t", "select 1 drop table t", "select a from t delete from u",
        "select 1 exec('x')", "insert into t values (1) delete from t"}) {
    CAPTURE(sql);
    CHECK(read(sql).find('!') != std::string::npos);
  }
  CHECK(read("select 1; -- nothing follows") == "select");
  CHECK(read("select 1; /* nothing */ ;") == "select");
}

TEST_CASE("what databases read differently is unknown") {
  for (const std::string_view sql : {
           "select 'a\\' ; drop table t -- '",        // MySQL escapes the quote
           "select \"a\\\" ; drop table t -- \"",     //
           "select 1 # ' \n ; drop table t -- '",     // a comment in MySQL only
           "select 1 /*! ; drop table t */",          // MySQL runs it
           "select /* /* */ ; drop table t -- */ 1",  // PostgreSQL nests comments
           "select 1 --1\n",                          // MySQL: minus minus one
           "select $$ ; drop table t -- $$",          // a string in PostgreSQL
           "select $x$ ' $x$ ; drop table t -- '",    //
           "select E'a'",                             //
           "select [';] from t; drop table u --'",    // a name in SQL Server
           "select 1 \xC2\xA0; drop table t",         //
           "select 1 -- x\r; drop table t",           //
           "select 'never closed",                    //
           "select /* never closed",                  //
           "select (1",                               //
           "select 1)",                               //
           "sleep(5)",                                //
           "",                                        //
           "   ",                                     //
           "42",                                      //
           "hello world",                             //
       }) {
    CAPTURE(sql);
    CHECK(read(sql).starts_with("unknown!"));
  }
  CHECK(read("select " + std::string(70'000, ' ') + "1") == "unknown!");
  CHECK(read("select " + std::string(100, '(') + "1" + std::string(100, ')')) == "unknown!");
}

TEST_CASE("a parameter that holds SQL only sometimes") {
  CHECK(looks_like_sql("select * from t"));
  CHECK(looks_like_sql(" (SELECT 1)"));
  CHECK(looks_like_sql("-- x\nselect 1"));
  CHECK(looks_like_sql("delete from t"));
  CHECK_FALSE(looks_like_sql("selection of cheeses"));
  CHECK_FALSE(looks_like_sql("customers in Berlin"));
  CHECK_FALSE(looks_like_sql(""));
}
