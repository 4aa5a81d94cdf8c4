#include "telemetry/exposition.h"

#include <doctest/doctest.h>

#include <limits>
#include <string>
#include <vector>

using namespace latticegate::telemetry;

TEST_CASE("values of labels cannot end their line or their quotes") {
  struct Row {
    std::string value;
    std::string written;
  };
  for (const auto& [value, written] : std::vector<Row>{
           {"plain", "plain"},
           {"a\"} 1\nforged_total 7", "a\\\"} 1\\nforged_total 7"},
           {"back\\slash", "back\\\\slash"},
           {"caf\xC3\xA9", "caf\xC3\xA9"},
           {"bad\xFF\xC3 end", "bad\xEF\xBF\xBD\xEF\xBF\xBD end"},
           {"cut\xE2\x82", "cut\xEF\xBF\xBD\xEF\xBF\xBD"},
           {"", ""},
       }) {
    Exposition out;
    out.family("x_total", "Something.", Kind::counter);
    out.sample(std::vector<Label>{{"name", value}}, std::uint64_t{1});
    CHECK(out.take() == "# HELP x_total Something.\n# TYPE x_total counter\nx_total{name=\"" +
                            written + "\"} 1\n");
  }
}

TEST_CASE("help is one line") {
  Exposition out;
  out.family("x", "Two\nlines, a \\ and \"quotes\".", Kind::gauge);
  CHECK(out.take() == "# HELP x Two\\nlines, a \\\\ and \"quotes\".\n# TYPE x gauge\n");
}

TEST_CASE("numbers are the shortest that read back") {
  CHECK(number_text(0.005) == "0.005");
  CHECK(number_text(1) == "1");
  CHECK(number_text(-0.25) == "-0.25");
  CHECK(number_text(std::numeric_limits<double>::infinity()) == "+Inf");
  CHECK(number_text(-std::numeric_limits<double>::infinity()) == "-Inf");
  CHECK(number_text(std::numeric_limits<double>::quiet_NaN()) == "NaN");
}

TEST_CASE("names") {
  CHECK(is_metric_name("latticegate_calls_total"));
  CHECK(is_metric_name("a:b"));
  CHECK(!is_metric_name("9a"));
  CHECK(!is_metric_name("a b"));
  CHECK(!is_metric_name(""));
  CHECK(is_label_name("server"));
  CHECK(!is_label_name("a:b"));
  CHECK(!is_label_name("__name__"));
}
