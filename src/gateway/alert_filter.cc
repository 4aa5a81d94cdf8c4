#include "gateway/alert_filter.h"

#include <algorithm>
#include <utility>

namespace latticegate::gateway {
namespace {

constexpr std::size_t most_known = 1'024;

}  // namespace

AlertFilter::Answer AlertFilter::judge(std::string_view same, base::Instant now,
                                       std::chrono::milliseconds repeat, std::uint32_t per_minute) {
  auto known = known_.find(same);
  if (known != known_.end() && now - known->second.told < repeat) {
    ++known->second.repeats;
    return {.verdict = Verdict::repeated};
  }
  if (!began_ || now - minute_ >= std::chrono::minutes(1)) {
    minute_ = now;
    in_minute_ = 0;
    began_ = true;
  }
  if (in_minute_ >= per_minute) {
    ++left_out_;
    return {.verdict = Verdict::limited};
  }
  ++in_minute_;
  if (known == known_.end()) {
    if (known_.size() >= most_known)
      known_.erase(std::ranges::min_element(known_, {},
                                            [](const auto& entry) { return entry.second.told; }));
    known = known_.emplace(std::string(same), Entry{}).first;
  }
  known->second.told = now;
  return {.verdict = Verdict::told,
          .repeats = std::exchange(known->second.repeats, 0),
          .left_out = std::exchange(left_out_, 0)};
}

}  // namespace latticegate::gateway
