#include "gateway/alerts.h"

#include <algorithm>
#include <cstdlib>
#include <format>
#include <utility>

#include "crypto/random.h"
#include "gateway/alert_sender.h"
#include "gateway/approval_link.h"
#include "json/write.h"

namespace latticegate::gateway {
namespace {

using base::Result;
using net::Task;
using std::chrono::milliseconds;

constexpr std::size_t queue_length = 256;
constexpr std::size_t longest_sentence = 1'024;
constexpr int tries = 5;
constexpr milliseconds first_pause(500);

// In one line, cut between characters.
std::string shown(std::string_view sentence) {
  if (sentence.size() > longest_sentence) {
    std::size_t end = longest_sentence;
    while (end > 0 && (static_cast<unsigned char>(sentence[end]) & 0xC0) == 0x80) --end;
    return base::printable(sentence.substr(0, end)) + "...";
  }
  return base::printable(sentence);
}

std::string text_of(const Alert& alert, std::string_view id, base::Time at, std::string_view node,
                    const AlertFilter::Answer& answer, std::string_view link) {
  std::string out;
  json::Writer w(out);
  w.begin_object()
      .member("apiVersion", "v1")
      .member("id", id)
      .member("at", base::to_rfc3339(at))
      .member("node", node)
      .member("event", config::name(alert.event))
      .member("severity", name(alert.severity))
      .member("sentence", shown(alert.sentence));
  for (const auto& [key, value] :
       {std::pair("agent", &alert.agent), std::pair("conversation", &alert.conversation),
        std::pair("server", &alert.server), std::pair("tool", &alert.tool),
        std::pair("topic", &alert.topic)})
    if (!value->empty()) w.member(key, base::printable(*value));
  if (!link.empty()) w.member("answer", link);
  if (answer.repeats > 0) w.member("repeated", static_cast<std::int64_t>(answer.repeats));
  if (answer.left_out > 0) w.member("left_out", static_cast<std::int64_t>(answer.left_out));
  w.end_object();
  return out;
}

}  // namespace

std::string_view name(Alert::Severity severity) {
  switch (severity) {
    case Alert::Severity::info: return "info";
    case Alert::Severity::warning: return "warning";
    case Alert::Severity::critical: return "critical";
  }
  std::unreachable();
}

std::string same_as(const Alert& alert) {
  return std::format("{}\n{}\n{}\n{}\n{}\n{}\n{}", config::name(alert.event), name(alert.severity),
                     alert.agent, alert.conversation, alert.server, alert.tool, alert.topic);
}

// A queue, and the task that empties it.
class Alerts::Channel {
 public:
  Channel(net::Loop& loop, std::unique_ptr<AlertSender> sender, std::string called)
      : name(std::move(called)), queue(loop, queue_length), sender_(std::move(sender)) {}

  static Task<void> run(std::shared_ptr<Channel> self, net::Loop& loop, Meters& meters,
                        const base::Log& log) {
    for (;;) {
      auto next = co_await self->queue.pop();
      if (!next.value) co_return;
      Result<void> sent;
      milliseconds pause = first_pause;
      for (int i = 0; i < tries; ++i) {
        sent = co_await self->sender_->send(*next.value);
        if (sent || self->stopping) break;
        // In pieces, so that a gateway that stops does not wait for it.
        for (milliseconds waited{}; i + 1 < tries && waited < pause && !self->stopping;
             waited += milliseconds(100))
          co_await loop.sleep(milliseconds(100));
        pause *= 2;
      }
      meters.alert(self->name, sent ? "told" : "failed");
      if (!sent)
        log.warning("an alert could not be told",
                    {{"channel", self->name}, {"reason", base::describe(sent.error())}});
    }
  }

  const std::string name;
  net::Channel<AlertText> queue;
  bool stopping = false;  // on the loop

 private:
  std::unique_ptr<AlertSender> sender_;
};

Alerts::Alerts(net::Loop& loop, net::TaskGroup& tasks, Meters& meters, const base::Clock& clock,
               const base::Log& log, std::string node, std::string link_key)
    : loop_(loop),
      tasks_(tasks),
      meters_(meters),
      clock_(clock),
      log_(log),
      node_(std::move(node)),
      link_key_(std::move(link_key)) {}

Alerts::~Alerts() = default;

Result<Alerts::Channels> Alerts::prepare(const std::shared_ptr<const config::Config>& config) {
  Channels channels;
  for (const auto& [name, channel] : config->alerts.channels) {
    auto sender = make_alert_sender(loop_, clock_, config, channel);
    if (!sender)
      return base::within(std::format("alerts.channels.{}", name), std::move(sender).error());
    channels.emplace(name, std::make_shared<Channel>(loop_, *std::move(sender), name));
  }
  return channels;
}

void Alerts::use(std::shared_ptr<const config::Config> config, Channels channels) {
  for (const auto& [name, channel] : channels)
    tasks_.spawn(Channel::run(channel, loop_, meters_, log_));
  const std::scoped_lock lock(mutex_);
  std::swap(channels_, channels);
  config_ = std::move(config);
  std::erase_if(filters_, [&](const auto& entry) { return !channels_.contains(entry.first); });
  for (const auto& [name, old] : channels) old->queue.close();
}

void Alerts::stop() {
  const std::scoped_lock lock(mutex_);
  for (const auto& [name, channel] : channels_) {
    channel->stopping = true;
    channel->queue.close();
  }
}

void Alerts::tell(const Alert& alert) {
  const base::Instant now = clock_.instant();
  const std::scoped_lock lock(mutex_);
  if (channels_.empty()) return;
  std::string id;
  const std::string same = same_as(alert);
  for (const auto& [name, channel] : channels_) {
    const config::AlertChannel& wanted = config_->alerts.channels.at(name);
    const bool meant = alert.channel.empty()
                           ? (wanted.events >> static_cast<unsigned>(alert.event) & 1) != 0
                           : alert.channel == name;
    if (!meant) continue;
    const AlertFilter::Answer answer =
        filters_[name].judge(same, now, config_->alerts.repeat, config_->alerts.per_minute);
    if (answer.verdict != AlertFilter::Verdict::told) {
      meters_.alert(name,
                    answer.verdict == AlertFilter::Verdict::repeated ? "repeated" : "limited");
      continue;
    }
    const base::Time at = clock_.now();
    if (id.empty()) {
      crypto::SystemRandom random;
      id = crypto::to_string(crypto::uuid_v7(at, random));
    }
    const std::string& address = config_->approvals.address;
    std::string link;
    if (alert.event == config::Event::approval && !address.empty() && !wanted.approver.empty())
      link = approval_link(address, {alert.topic, wanted.approver, alert.until}, link_key_);
    AlertText text{.id = id,
                   .at = at,
                   .severity = alert.severity,
                   .event = config::name(alert.event),
                   .node = node_,
                   .body = text_of(alert, id, at, node_, answer, link)};
    if (!channel->queue.push(std::move(text))) meters_.alert(name, "dropped");
  }
}

}  // namespace latticegate::gateway
