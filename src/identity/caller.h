// Who asks: one agent (a workload), the user behind it when it acts for one, and what the operator
// said about both.
//
// A Caller is a cheap handle on an immutable profile that is made once per credential, not once per
// call. Nothing in it comes from the client except the fact that it holds the credential. The
// credential itself is never kept: only the first 16 hexadecimal digits of its SHA-256. Safe from
// any thread.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/id.h"
#include "base/result.h"

namespace latticegate::identity {

using AgentId = base::Id<struct AgentTag>;
using UserId = base::Id<struct UserTag>;
using TenantId = base::Id<struct TenantTag>;

// How the caller proved who it is.
enum class Method : std::uint8_t { token, certificate, loopback_anonymous };
// "token", "certificate", "loopback-anonymous".
std::string_view name(Method method);

// A person, as the configuration describes them.
struct User {
  UserId id{};
  std::string department{};
  std::int64_t clearance = 0;  // 0 public .. 4 restricted
  std::string residency{};
  std::vector<std::string> roles{};
  std::vector<std::string> groups{};  // direct ones; the hierarchy above them belongs to the policy
  bool operator==(const User&) const = default;
};

struct CallerProfile {
  AgentId agent{};
  TenantId tenant{};  // empty: the only tenant
  std::optional<User> user{};
  std::vector<std::string> groups{};    // direct ones
  std::vector<std::string> segments{};  // direct ones
  std::vector<std::string> domains{};   // data domains that the agent was approved for
  std::string department{};
  std::int64_t clearance = 0;
  std::string purpose{};  // what it is for, in the operator's words (provenance/purpose.h)
  Method method = Method::token;
  // token: first 16 hex digits of its SHA-256; certificate: of the SHA-256 of the name that matched
  // ("spiffe://..."); anonymous: empty. Tells two credentials of one agent apart in the record.
  std::string fingerprint{};
  bool operator==(const CallerProfile&) const = default;
};

// Copying costs one atomic increment.
class Caller {
 public:
  explicit Caller(std::shared_ptr<const CallerProfile> profile) : profile_(std::move(profile)) {
    base::check(profile_ != nullptr, "a caller has a profile");
  }
  const CallerProfile& profile() const [[clang::lifetimebound]] { return *profile_; }
  const CallerProfile* operator->() const [[clang::lifetimebound]] { return profile_.get(); }
  // Keeps the profile alive on its own, for what outlives the call.
  const std::shared_ptr<const CallerProfile>& shared() const [[clang::lifetimebound]] {
    return profile_;
  }

 private:
  std::shared_ptr<const CallerProfile> profile_;
};

}  // namespace latticegate::identity
