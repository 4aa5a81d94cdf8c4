// Exposition: numbers as text for those who collect them, the Prometheus text format 0.0.4.
//
//   # HELP latticegate_calls_total Calls, by what came of them.
//   # TYPE latticegate_calls_total counter
//   latticegate_calls_total{server="crm",outcome="ok"} 17
//
// Pure. Label values may be any bytes: what is special is escaped, and bytes that are no UTF-8
// become U+FFFD. Names are ours; a wrong one is a defect and aborts. Samples of a family follow
// its head; a family stands once.
#pragma once
#include <cstdint>
#include <span>
#include <string>
#include <string_view>

namespace latticegate::telemetry {

enum class Kind : std::uint8_t { counter, gauge, histogram };
std::string_view name(Kind kind);

// What a collector is told that it reads.
inline constexpr std::string_view content_type = "text/plain; version=0.0.4; charset=utf-8";

struct Label {
  std::string_view name;
  std::string_view value;
};

class Exposition {
 public:
  // The head of a family. A counter's name ends in _total.
  void family(std::string_view name, std::string_view help, Kind kind);
  // A sample of it; `suffix` is "_bucket", "_sum" or "_count" of a histogram.
  void sample(std::span<const Label> labels, double value, std::string_view suffix = {});
  void sample(std::span<const Label> labels, std::uint64_t value, std::string_view suffix = {});
  std::string take() { return std::move(out_); }

 private:
  void begin(std::span<const Label> labels, std::string_view suffix);
  std::string out_;
  std::string name_;
};

// 0.005 -> "0.005", infinity -> "+Inf": the shortest text that reads back as the same number.
std::string number_text(double value);

// Letters, digits and _ (in names of metrics also ':'), no digit first.
bool is_metric_name(std::string_view name);
bool is_label_name(std::string_view name);

}  // namespace latticegate::telemetry
