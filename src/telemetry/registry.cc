#include "telemetry/registry.h"

#include <algorithm>
#include <format>
#include <ratio>
#include <utility>

#include "base/result.h"

namespace latticegate::telemetry {
namespace {

using Seconds = std::chrono::duration<double>;

class Asked final : public Source {
 public:
  Asked(Description description, std::function<void(const Registry::Give&)> look)
      : Source(std::move(description)), look_(std::move(look)) {}

  void write(Exposition& out) const override {
    std::size_t series = 0;
    look_([&](std::initializer_list<std::string_view> values, double value) {
      if (++series > most_series) return;
      out.sample(labels_of({values.begin(), values.end()}), value);
    });
  }

 private:
  std::function<void(const Registry::Give&)> look_;
};

}  // namespace

std::vector<Label> Source::labels_of(const std::vector<std::string>& values) const {
  base::check(values.size() == description_.labels.size(), "each label has its value");
  std::vector<Label> labels;
  labels.reserve(values.size() + 1);
  for (std::size_t i = 0; i < values.size(); ++i)
    labels.push_back({description_.labels[i], values[i]});
  return labels;
}

void Counters::write(Exposition& out) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [values, counter] : series_) out.sample(labels_of(values), counter->value());
}

void Histograms::write(Exposition& out) const {
  const std::scoped_lock lock(mutex_);
  for (const auto& [values, histogram] : series_) {
    std::vector<Label> labels = labels_of(values);
    std::uint64_t below = 0;  // added up by us, so that no bucket can exceed the count
    for (std::size_t i = 0; i <= histogram->bounds().size(); ++i) {
      below += histogram->in_bucket(i);
      const std::string bound = i < histogram->bounds().size()
                                    ? std::format("{:.9g}", Seconds(histogram->bounds()[i]).count())
                                    : std::string("+Inf");
      labels.push_back({"le", bound});
      out.sample(labels, below, "_bucket");
      labels.pop_back();
    }
    out.sample(labels, Seconds(histogram->sum()).count(), "_sum");
    out.sample(labels, below, "_count");
  }
}

Source& Registry::add(std::unique_ptr<Source> source) {
  const std::string& name = source->description().name;
  base::check(std::ranges::none_of(
                  sources_, [&](const auto& known) { return known->description().name == name; }),
              "a metric is registered once");
  return *sources_.emplace_back(std::move(source));
}

Counters& Registry::counters(Description description) {
  auto made = std::make_unique<Counters>(std::move(description));
  Counters& family = *made;
  add(std::move(made));
  return family;
}

Histograms& Registry::histograms(Description description, Bounds bounds) {
  auto made = std::make_unique<Histograms>(std::move(description), bounds);
  Histograms& family = *made;
  add(std::move(made));
  return family;
}

void Registry::ask(Description description, std::function<void(const Give&)> look) {
  add(std::make_unique<Asked>(std::move(description), std::move(look)));
}

std::string Registry::text() const {
  Exposition out;
  for (const auto& source : sources_) {
    const Description& told = source->description();
    out.family(told.name, told.help, told.kind);
    source->write(out);
  }
  return out.take();
}

std::string Registry::reference() const {
  std::string out = "| metric | kind | labels | what it is |\n|---|---|---|---|\n";
  for (const auto& source : sources_) {
    const Description& told = source->description();
    std::string labels;
    for (const std::string& label : told.labels)
      labels += std::format("{}`{}`", labels.empty() ? "" : ", ", label);
    out += std::format("| `{}` | {} | {} | {} |\n", told.name, name(told.kind), labels, told.help);
  }
  return out;
}

}  // namespace latticegate::telemetry
