#include "onnx/classifier.h"

#include <doctest/doctest.h>

#include <cstdlib>
#include <filesystem>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

using namespace latticegate;

namespace {

std::filesystem::path data(std::string_view name) {
  const char* const source = std::getenv("LATTICEGATE_SOURCE");
  return std::filesystem::path(source != nullptr ? source : ".") / "tests/data/classifier" / name;
}

// Whether a model can be opened here at all; says aloud why not.
bool can_run() {
  const auto opened = onnx::open_classifier(data("zebra.onnx"));
  if (opened || (opened.error().code != base::Code::unsupported &&
                 opened.error().code != base::Code::unavailable))
    return true;
  MESSAGE("SKIPPED: " << opened.error().detail);
  return false;
}

}  // namespace

TEST_CASE("a model of an operator's own judges texts") {
  if (!can_run()) return;
  const auto opened = onnx::open_classifier(data("zebra.onnx"));
  REQUIRE_MESSAGE(opened.has_value(), opened.error().detail);
  struct Row {
    std::string text;
    float says;
  };
  for (const Row& row :
       {Row{"the zebra crosses", 0.9F}, Row{"the horse crosses", 0.1F}, Row{"", 0.1F},
        Row{"zebra zebra zebra", 0.9F}, Row{std::string("zebra \0 horse", 13), 0.9F},
        Row{"\xFF\xFE not UTF-8 zebra", 0.9F}, Row{std::string(100'000, 'a') + " zebra", 0.9F}}) {
    CAPTURE(row.text.substr(0, 40));
    const auto said = (*opened)->judge(row.text);
    REQUIRE(said.has_value());
    CHECK(*said == doctest::Approx(row.says));
  }
}

TEST_CASE("several threads ask one classifier") {
  if (!can_run()) return;
  const auto opened = onnx::open_classifier(data("zebra.onnx"));
  REQUIRE(opened.has_value());
  std::vector<std::jthread> threads;
  std::vector<int> right(4);
  for (std::size_t n = 0; n < right.size(); ++n)
    threads.emplace_back([&, n] {
      for (int i = 0; i < 200; ++i) {
        const bool zebra = (i + static_cast<int>(n)) % 2 == 0;
        const auto said = (*opened)->judge(zebra ? "a zebra" : "a horse");
        right[n] += said && (*said > 0.5F) == zebra ? 1 : 0;
      }
    });
  threads.clear();
  for (const int count : right) CHECK(count == 200);
}

TEST_CASE("what is no classifier of texts is refused with its reason") {
  if (!can_run()) return;
  const auto numbers = onnx::open_classifier(data("numbers.onnx"));
  REQUIRE_FALSE(numbers.has_value());
  CHECK(numbers.error().detail.contains("is not one text"));
  const auto script = onnx::open_classifier(data("make.py"));
  REQUIRE_FALSE(script.has_value());
  CHECK(script.error().code == base::Code::invalid);
  const auto nothing = onnx::open_classifier(data("absent.onnx"));
  REQUIRE_FALSE(nothing.has_value());
  CHECK(nothing.error().detail.contains("absent.onnx"));
}
