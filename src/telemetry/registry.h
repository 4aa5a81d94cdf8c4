// Registry: every metric of the program, and all of them as one text.
//
// A family is one name with its labels; a series is one set of their values. Cardinality is
// bounded: a family has at most `most_series` series, and what comes above that counts in the one
// whose values are all "other", so that nobody can fill the memory (or the collector) with names.
// Series are never forgotten: a counter that vanished would look like a restart.
//
// with() takes a mutex and looks up; whoever counts often keeps the reference, which is valid as
// long as the registry. Safe from any thread, but families are made before others use it.
#pragma once
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "telemetry/exposition.h"
#include "telemetry/meter.h"

namespace latticegate::telemetry {

inline constexpr std::size_t most_series = 1'024;
inline constexpr std::string_view other = "other";

struct Description {
  std::string name;
  Kind kind{};
  std::string help;  // a sentence
  std::vector<std::string> labels{};
};

// Something that can be asked for its samples.
class Source {
 public:
  explicit Source(Description description) : description_(std::move(description)) {}
  virtual ~Source() = default;
  Source(const Source&) = delete;
  Source& operator=(const Source&) = delete;
  const Description& description() const { return description_; }
  virtual void write(Exposition& out) const = 0;

 protected:
  std::vector<Label> labels_of(const std::vector<std::string>& values) const;

 private:
  Description description_;
};

// The series of a family, by their label values.
template <class Meter>
class Family : public Source {
 public:
  using Source::Source;
  // As many values as there are labels, in their order.
  Meter& with(std::initializer_list<std::string_view> values) {
    const std::vector<std::string> key(values.begin(), values.end());
    const std::scoped_lock lock(mutex_);
    auto found = series_.find(key);
    if (found == series_.end()) {
      const bool full = series_.size() >= most_series;
      found =
          series_.try_emplace(full ? std::vector<std::string>(key.size(), std::string(other)) : key)
              .first;
      if (!found->second) found->second = make();
    }
    return *found->second;
  }
  std::size_t size() const {
    const std::scoped_lock lock(mutex_);
    return series_.size();
  }

 protected:
  virtual std::unique_ptr<Meter> make() const = 0;
  mutable std::mutex mutex_;
  std::map<std::vector<std::string>, std::unique_ptr<Meter>> series_;
};

class Counters final : public Family<Counter> {
 public:
  using Family::Family;
  void write(Exposition& out) const override;

 private:
  std::unique_ptr<Counter> make() const override { return std::make_unique<Counter>(); }
};

class Histograms final : public Family<Histogram> {
 public:
  // The bounds outlive it.
  Histograms(Description description, Bounds bounds)
      : Family(std::move(description)), bounds_(bounds) {}
  void write(Exposition& out) const override;

 private:
  std::unique_ptr<Histogram> make() const override { return std::make_unique<Histogram>(bounds_); }
  Bounds bounds_;
};

class Registry {
 public:
  Counters& counters(Description description);
  Histograms& histograms(Description description, Bounds bounds);
  // A number that somebody else keeps and that is looked up when it is asked for: `give` is called
  // with the label values and the number, once a series.
  using Give = std::function<void(std::initializer_list<std::string_view>, double)>;
  void ask(Description description, std::function<void(const Give&)> look);

  // All families in the order in which they were made.
  std::string text() const;
  // The same as rows of a table in Markdown: name, kind, labels, help.
  std::string reference() const;

 private:
  Source& add(std::unique_ptr<Source> source);
  std::vector<std::unique_ptr<Source>> sources_;
};

}  // namespace latticegate::telemetry
