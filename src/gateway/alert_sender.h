// The ways in which one alert leaves: each tries once, within the channel's time.
#pragma once
#include <memory>
#include <string>
#include <string_view>

#include "base/result.h"
#include "gateway/alerts.h"
#include "net/loop.h"
#include "net/task.h"

namespace latticegate::gateway {

struct AlertText {
  std::string id;
  base::Time at{};
  Alert::Severity severity{};
  std::string_view event;  // the event's name
  std::string node;
  std::string body;  // JSON
};

class AlertSender {
 public:
  AlertSender() = default;
  AlertSender(const AlertSender&) = delete;
  AlertSender& operator=(const AlertSender&) = delete;
  virtual ~AlertSender() = default;
  virtual net::Task<base::Result<void>> send(const AlertText& text) = 0;
};

// "t=1796040131,v1=6f1c...".
std::string alert_signature(std::string_view key, std::int64_t seconds, std::string_view body);

// The letter of an alert, head and body (RFC 5322, base64): what it says, line by line.
std::string alert_letter(const AlertText& text, const config::AlertChannel& channel);

// The channel is one of the configuration's. Errors: a file that cannot be read or is no
// certificate.
base::Result<std::unique_ptr<AlertSender>> make_alert_sender(
    net::Loop& loop, const base::Clock& clock, std::shared_ptr<const config::Config> config,
    const config::AlertChannel& channel);

}  // namespace latticegate::gateway
