#include "behaviour/records.h"

#include <doctest/doctest.h>

#include <format>
#include <string>

#include "json/write.h"

using namespace latticegate;
using namespace latticegate::behaviour;

namespace {

std::string repeated(std::string_view part, int times, std::string_view between = "") {
  std::string out;
  for (int i = 0; i < times; ++i) {
    if (i > 0) out += between;
    out += part;
  }
  return out;
}

std::uint64_t records_of(const std::string& result) {
  return count_records(json::Document::parse(result).value().root());
}

std::string text_result(std::string_view text) {
  std::string out = R"({"content":[{"type":"text","text":)";
  json::write_string(text, out);
  return out + "}]}";
}

struct TextCase {
  std::string_view what;
  std::string text;
  std::uint64_t records;
};

}  // namespace

TEST_CASE("texts count what they are a list of") {
  const std::string row = R"({"id": 7, "name": "x, y; z | \"q\"", "tags": ["a", "b"]})";
  const TextCase cases[] = {
      {"nothing", "", 0},
      {"white space", " \n\t ", 0},
      {"a sentence", "The invoice was paid, and the order is closed.", 1},
      {"prose over lines",
       "One line, two parts.\nAnother line without.\nAnd a third, also; with more.\n", 1},
      {"an array", "[" + repeated(row, 5, ",") + "]", 5},
      {"an empty array", "[]", 1},
      {"rows of dbhub",
       R"({"success": true, "data": {"rows": [)" + repeated(row, 5000, ",\n  ") +
           R"(], "count": 5000}})",
       5000},
      {"an array at depth 4", R"({"a":{"b":{"c":[1,2,3,4,5,6]}}})", 6},
      {"an array at depth 6", R"({"a":{"b":{"c":{"d":{"e":[1,2,3,4,5,6]}}}}})", 6},
      {"rows below a list of statements",
       R"({"data":{"statements":[{"rows":[1,2,3,4,5],"count":5}]}})", 5},
      {"an array at depth 7", R"({"a":{"b":{"c":{"d":{"e":{"f":[1,2,3,4,5,6]}}}}}})", 1},
      {"one object a line", repeated(row, 40, "\n"), 40},
      {"prose before", "Found these:\n[" + repeated(row, 12, ",") + "]\nThat is all.", 12},
      {"prose on the same line", "Result: {\"rows\": [" + repeated(row, 12, ",") + "]}", 12},
      {"a fence", "```json\n[" + repeated(row, 12, ",") + "]\n```", 12},
      {"cut short", "[" + repeated(row, 12, ",") + ",{\"id\": 8, \"na", 13},
      {"columns", R"({"id": [1,2,3,4,5,6,7], "name": ["a","b","c","d","e","f","g"]})", 7},
      {"brackets in strings", R"(["]", "[", "\\", "\"]", "{"])", 5},
      {"markdown", "| id | name |\n|----|:----:|\n" + repeated("| 1 | a |\n", 30), 30},
      {"two markdown tables",
       repeated("| id | name |\n|----|:----:|\n" + repeated("| 1 | a |\n", 30), 2, "\n\n"), 60},
      {"psql", " id | name \n----+------\n" + repeated("  1 | ann \n", 25) + "(25 rows)\n", 25},
      {"psql, one column", " name \n------\n" + repeated(" ann\n", 25) + "(25 rows)\n", 25},
      {"mysql",
       "+----+------+\n| id | name |\n+----+------+\n" + repeated("|  1 | ann  |\n", 25) +
           "+----+------+\n25 rows in set (0.00 sec)\n",
       25},
      {"csv", "id,name,city\n" + repeated("1,ann,\"Paris, France\"\n", 50), 50},
      {"tsv", "id\tname\n" + repeated("1\tann\n", 50), 50},
      {"semicolons", "id;name;city\n" + repeated("1;ann;Oslo\n", 50), 50},
      {"three lines of csv", "id,name,city\n1,a,b\n2,c,d", 2},
      {"listing", repeated("[FILE] notes.txt\n", 9) + repeated("[DIR] old\n", 3), 12},
      {"bullets", repeated("- item\n", 8), 8},
      {"numbers", "1. a\n2. b\n3. c\n4. d\n", 4},
      {"paths", repeated("/srv/data/report.pdf\n", 200), 200},
      {"windows lines", "id,name,city\r\n" + repeated("1,ann,Oslo\r\n", 20), 20},
      {"a notice counts no more than the lines there are", "(5000 rows)", 1},
      {"a claim inside prose counts nothing", "She said there are 5000 rows in it.", 1},
      {"code is not JSON", "int main() {\n  return a[i] + b[j];\n}\n", 1},
      {"a rule in Markdown", "# Title\n\n---\n\nText.\n", 1},
      {"unclosed quote", "\"" + repeated("a,b\n", 3), 1},
      {"only brackets", repeated("[", 10'000), 1},
  };
  for (const TextCase& one : cases) {
    CHECK_MESSAGE(count_records_in_text(one.text) == one.records, one.what);
    if (one.records > 0) CHECK_MESSAGE(records_of(text_result(one.text)) == one.records, one.what);
  }
}

TEST_CASE("results count in every shape that servers send") {
  CHECK(count_records({}) == 0);
  CHECK(records_of("{}") == 0);
  CHECK(records_of(R"({"content":[]})") == 0);
  CHECK(records_of(R"({"content":[{"type":"text","text":""}]})") == 0);
  CHECK(records_of(R"({"content":[{"type":"image","data":"aGk=","mimeType":"image/png"}]})") == 1);
  CHECK(records_of(R"({"content":[],"structuredContent":{"result":{"items":[1,2,3]}}})") == 3);
  // Both forms of one answer are one answer.
  CHECK(
      records_of(
          R"({"content":[{"type":"text","text":"[1,2,3]"}],"structuredContent":{"result":[1,2,3]}})") ==
      3);
  // One block per record.
  CHECK(records_of(R"({"content":[)" + repeated(R"({"type":"text","text":"name: x"})", 70, ",") +
                   "]}") == 70);
  CHECK(records_of(R"({"content":[)" +
                   repeated(R"({"type":"resource_link","uri":"f:/x","name":"x"})", 70, ",") +
                   "]}") == 70);
  CHECK(records_of(R"({"contents":[{"uri":"db://t","text":"[1,2,3,4]"}]})") == 4);
  CHECK(
      records_of(
          R"({"content":[{"type":"resource","resource":{"uri":"db://t","text":"[1,2,3,4]"}}]})") ==
      4);
  // A table inside one string of structuredContent.
  std::string table = R"({"content":[],"structuredContent":{"result":)";
  json::write_string("id,name,city\n" + repeated("1,ann,Oslo\n", 500), table);
  CHECK(records_of(table + "}}") == 500);
}

TEST_CASE("arguments show how much they ask for") {
  struct Case {
    std::string_view arguments;
    std::optional<std::uint64_t> asked;
  };
  const Case cases[] = {
      {R"({})", {}},
      {R"({"query":"paris"})", {}},
      {R"({"limit":5})", 5},
      {R"({"limit":"5000"})", 5000},
      {R"({"limit":5e3})", 5000},
      {R"({"limit":"5000; drop"})", {}},
      {R"({"limit":-1})", std::uint64_t{1} << 31},
      {R"({"first":-1})", {}},
      {R"({"page_size":50,"page":3})", 50},
      {R"({"pageSize":50})", 50},
      {R"({"max-results":70})", 70},
      {R"({"$top":70})", 70},
      {R"({"options":{"paging":{"perPage":80}}})", 80},
      {R"({"a":{"b":{"c":{"limit":80}}}})", 80},
      {R"({"a":{"b":{"c":{"d":{"e":{"f":{"limit":80}}}}}}})", {}},
      {R"({"max_tokens":4000,"maxPrice":100000,"year":2026})", {}},
      {R"({"ids":[1,2,3,4]})", 4},
      {R"({"requests":[{"limit":10},{"limit":900}]})", 900},
      {R"({"sql":"SELECT * FROM employee LIMIT 5000"})", 5000},
      {R"({"sql":"SELECT * FROM employee LIMIT 5000","limit":7})", 5000},
      {R"({"text":"select a from b limit 12"})", 12},
      {R"({"text":"the limit 12 is near"})", {}},
  };
  for (const Case& one : cases) {
    const auto document = json::Document::parse(one.arguments).value();
    CHECK_MESSAGE(asked_records(document.root()) == one.asked, one.arguments);
  }
  CHECK_FALSE(asked_records({}).has_value());
}

TEST_CASE("the limit of the outermost query is found in every dialect") {
  struct Case {
    std::string_view sql;
    std::optional<std::uint64_t> limit;
  };
  const Case cases[] = {
      {"", {}},
      {"select * from t", {}},
      {"select * from t limit 10", 10},
      {"SELECT * FROM t LiMiT 10 OFFSET 400", 10},
      {"select * from t limit 400, 10", 10},
      {"select * from t limit all", {}},
      {"select * from t limit (select 5)", {}},
      {"select top 10 * from t", 10},
      {"select top (10) * from t", 10},
      {"select * from t fetch first 10 rows only", 10},
      {"select * from t offset 5 rows fetch next 10 rows only", 10},
      {"select * from (select * from u limit 3) v", {}},
      {"select * from (select * from u limit 3) v limit 900", 900},
      {"select 'limit 7' from t", {}},
      {"select \"limit 7\" from t limit 8", 8},
      {"select 1 -- limit 7", {}},
      {"select 1 /* limit 7 */ limit 9", 9},
      {"select $$ limit 7 $$ limit 9", 9},
      {"select $a$ limit 7 $$ $a$ limit 9", 9},
      {"select limit_7 from t", {}},
      {"select 1 limit 1; select * from t limit 5000", 5000},
      {"select 'it''s' from t limit 4", 4},
      {"select ' unclosed limit 4", {}},
      {"limit", {}},
      {"select 1 limit 99999999999999999999", {}},
  };
  for (const Case& one : cases) CHECK_MESSAGE(sql_limit(one.sql) == one.limit, one.sql);
}
