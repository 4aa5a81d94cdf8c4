// Alerts: what a person should know, told over the channels of the configuration: a webhook,
// syslog, a command. No call ever waits for it.
//
// tell() filters (alert_filter.h) and puts the text into the queue of each channel that wants it; a
// queue holds 256, and what does not fit is counted. One task a channel, on one loop, sends: five
// tries, with pauses of half a second, doubled. Whoever receives may get one twice and knows it by
// its id. When the gateway stops, what waits is tried once more each.
//
// What is sent names agents, conversations, servers and tools and says in a sentence what happened;
// never an argument, an answer or a person.
//
// A webhook is a POST of that JSON (docs/guide/alerts.md) with
//   Latticegate-Signature: t=1796040131,v1=6f1c...   HMAC-SHA256, hexadecimal, over "1796040131."
//   and
//                                                    the body, with the channel's key
// A command gets the JSON on its standard input, and is ended when its time is over.
#pragma once
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "base/log.h"
#include "config/config.h"
#include "gateway/alert_filter.h"
#include "gateway/meters.h"
#include "net/channel.h"
#include "net/tls.h"

namespace latticegate::gateway {

struct Alert {
  enum class Severity : std::uint8_t { info, warning, critical };
  config::Event event{};
  Severity severity = Severity::warning;
  std::string sentence;  // what happened and why
  std::string agent{};
  std::string conversation{};
  std::string server{};
  std::string tool{};
  std::string topic{};    // name of the objective; rung of the ladder; request for an approval
  std::string channel{};  // only to this one, whatever it wants; empty: to all that want it
  base::Time until{};     // of a request for an approval: when it ends
};
std::string_view name(Alert::Severity severity);

// How an alert is known again: what happened to whom, whatever the words.
std::string same_as(const Alert& alert);

class Alerts {
 public:
  // All outlive it. `node` names this gateway, `link_key` signs links (gateway/approval_link.h).
  Alerts(net::Loop& loop, net::TaskGroup& tasks, Meters& meters, const base::Clock& clock,
         const base::Log& log, std::string node, std::string link_key);
  ~Alerts();
  Alerts(const Alerts&) = delete;
  Alerts& operator=(const Alerts&) = delete;

  // Makes the channels of a configuration ready; the old ones still send what they have. Errors: a
  // file that cannot be read, a certificate that is none; then nothing changed.
  class Channel;
  using Channels = std::map<std::string, std::shared_ptr<Channel>, std::less<>>;
  base::Result<Channels> prepare(const std::shared_ptr<const config::Config>& config);
  // Puts them in force. On the loop.
  void use(std::shared_ptr<const config::Config> config, Channels channels);
  // Any thread.
  void tell(const Alert& alert);
  // Nothing new is taken. On the loop.
  void stop();

 private:
  net::Loop& loop_;
  net::TaskGroup& tasks_;
  Meters& meters_;
  const base::Clock& clock_;
  const base::Log& log_;
  std::string node_;
  std::string link_key_;
  std::mutex mutex_;
  std::shared_ptr<const config::Config> config_;
  Channels channels_;
  std::map<std::string, AlertFilter, std::less<>> filters_;  // by channel; outlive a reload
};

}  // namespace latticegate::gateway
