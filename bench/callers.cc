// Callers of the bench: MCP tools/call requests of about 600 bytes, at random times or one after
// the other, and how long each took.
//
//   bench_callers --port N [--path P] [--token T] [--session ID] [--rate R] [--connections C]
//   [--seconds S]
//
// With a rate: so many calls a second, at times of a Poisson process, on whichever connection is
// free. The time of a call counts from when it was due: one that finds all connections taken, or
// this program busy, counts that wait as well. Without: each connection calls again as soon as it
// has its answer. Prints one line of JSON; exit 1 when an answer was not a result. Linux, one
// thread, 127.0.0.1 only.
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <format>
#include <iterator>
#include <print>
#include <random>
#include <string>
#include <string_view>
#include <vector>

namespace {

using Clock = std::chrono::steady_clock;
using Instant = Clock::time_point;
using std::chrono::nanoseconds;

struct Options {
  std::uint16_t port = 0;
  std::string path = "/mcp";
  std::string token = "token";
  std::string session;
  double rate = 0;  // calls a second; 0: one after the other
  std::size_t connections = 32;
  double seconds = 3;
};

[[noreturn]] void give_up(std::string_view why) {
  std::println(stderr, "bench_callers: {}", why);
  std::exit(1);
}

template <class Number>
Number number(std::string_view text) {
  Number value{};
  const auto [end_at, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc{} || end_at != text.data() + text.size())
    give_up(std::format("'{}' is not a number", text));
  return value;
}

Options parse(int argc, char** argv) {
  Options options;
  for (int i = 1; i + 1 < argc; i += 2) {
    const std::string_view name = argv[i];
    const std::string_view value = argv[i + 1];
    if (name == "--port")
      options.port = number<std::uint16_t>(value);
    else if (name == "--path")
      options.path = value;
    else if (name == "--token")
      options.token = value;
    else if (name == "--session")
      options.session = value;
    else if (name == "--rate")
      options.rate = number<double>(value);
    else if (name == "--connections")
      options.connections = number<std::size_t>(value);
    else if (name == "--seconds")
      options.seconds = number<double>(value);
    else
      give_up(std::format("there is no {}", name));
  }
  if (options.port == 0 || argc % 2 == 0 || options.connections == 0)
    give_up("see the first lines of bench/callers.cc");
  return options;
}

struct Connection {
  int fd = -1;
  bool busy = false;
  Instant due{};
  std::string answer;
};

class Callers {
 public:
  explicit Callers(const Options& options)
      : options_(options), epoll_(::epoll_create1(EPOLL_CLOEXEC)), lines_(options.connections) {
    if (epoll_ < 0) give_up("no epoll");
    head_ = std::format(
        "POST {} HTTP/1.1\r\nHost: 127.0.0.1:{}\r\nAuthorization: Bearer {}\r\nUser-Agent: "
        "bench/1.0\r\nContent-Type: application/json\r\nAccept: application/json, "
        "text/event-stream\r\nMCP-Protocol-Version: 2025-11-25\r\n",
        options.path, options.port, options.token);
    if (!options.session.empty()) head_ += std::format("Mcp-Session-Id: {}\r\n", options.session);
    for (std::size_t i = 0; i < lines_.size(); ++i) {
      connect(lines_[i]);
      epoll_event event{.events = EPOLLIN, .data = {.u64 = i}};
      ::epoll_ctl(epoll_, EPOLL_CTL_ADD, lines_[i].fd, &event);
      free_.push_back(i);
    }
    ::prctl(PR_SET_TIMERSLACK, 1'000UL);
  }

  void run() {
    const Instant begin = Clock::now();
    const Instant over = begin + seconds(options_.seconds);
    Instant next = options_.rate > 0 ? begin + gap() : begin;
    for (Instant now = begin; now < over || busy_ > 0; now = Clock::now()) {
      if (options_.rate > 0)
        for (; next <= now && next < over; next += gap()) waiting_.push_back(next);
      else if (now < over)
        waiting_.assign(free_.size(), now);
      while (!waiting_.empty() && !free_.empty()) send();
      const Instant wake = options_.rate > 0 ? std::min(next, over) : over;
      wait(now < over ? std::max(wake - now, Clock::duration(0)) : seconds(1));
      if (Clock::now() > over + seconds(10)) give_up("some calls were not answered in ten seconds");
    }
    tell(std::chrono::duration<double>(Clock::now() - begin).count());
  }

 private:
  static nanoseconds seconds(double count) {
    return std::chrono::duration_cast<nanoseconds>(std::chrono::duration<double>(count));
  }
  nanoseconds gap() { return seconds(std::exponential_distribution(options_.rate)(random_)); }

  void connect(Connection& line) const {
    line.fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_port = htons(options_.port);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int one = 1;
    if (line.fd < 0 ||
        ::connect(line.fd, static_cast<const sockaddr*>(static_cast<const void*>(&to)),
                  sizeof to) != 0)
      give_up("cannot connect");
    ::setsockopt(line.fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
  }

  void send() {
    Connection& line = lines_[free_.back()];
    free_.pop_back();
    line.due = waiting_.front();
    line.busy = true;
    line.answer.clear();
    waiting_.pop_front();
    ++busy_;
    ++id_;
    body_.clear();
    std::format_to(
        std::back_inserter(body_),
        R"({{"jsonrpc":"2.0","id":{},"method":"tools/call","params":{{"name":"search_customers","arguments":{{"query":)"
        R"("last_order before 2025-11-22 and account {}","limit":5,"branch":"north","fields":["id","name","city","last_order",)"
        R"("total"],"note":"please look for customers of the northern branch whose last order is older than a year and tell me )"
        R"(what they bought from us, sorted by what they spent in all the years together"}}}}}})",
        id_, id_);
    request_.clear();
    std::format_to(std::back_inserter(request_), "{}Content-Length: {}\r\n\r\n{}", head_,
                   body_.size(), body_);
    // It fits into the socket's buffer: there is one request at a time.
    if (::send(line.fd, request_.data(), request_.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request_.size()))
      give_up("a request was not taken");
  }

  void wait(nanoseconds at_most) {
    std::array<epoll_event, 64> events;
    const auto whole = std::chrono::floor<std::chrono::seconds>(at_most);
    const timespec timeout{.tv_sec = whole.count(), .tv_nsec = (at_most - whole).count()};
    const int count = ::epoll_pwait2(epoll_, events.data(), events.size(), &timeout, nullptr);
    for (int i = 0; i < count; ++i) receive(events[static_cast<std::size_t>(i)].data.u64);
  }

  void receive(std::size_t at) {
    Connection& line = lines_[at];
    std::array<char, 16'384> bytes;
    const ssize_t got = ::recv(line.fd, bytes.data(), bytes.size(), MSG_DONTWAIT);
    if (got <= 0 || !line.busy) give_up("a connection was closed");
    line.answer.append(bytes.data(), static_cast<std::size_t>(got));
    const std::size_t head = line.answer.find("\r\n\r\n");
    if (head == std::string::npos) return;
    const std::string_view fields = std::string_view(line.answer).substr(0, head);
    constexpr std::string_view length = "\r\nContent-Length: ";
    std::size_t from = fields.find(length);
    if (from == std::string_view::npos) give_up("an answer without Content-Length");
    from += length.size();
    const auto size = number<std::size_t>(fields.substr(from, fields.find('\r', from) - from));
    if (line.answer.size() < head + 4 + size) return;
    const std::string_view body = std::string_view(line.answer).substr(head + 4);
    if (!fields.starts_with("HTTP/1.1 200") || !body.contains(R"("result")") ||
        !body.contains(R"("isError":false)"))
      give_up(std::format("no result: {}", line.answer.substr(0, 600)));
    took_us_.push_back(std::chrono::duration<double, std::micro>(Clock::now() - line.due).count());
    line.busy = false;
    --busy_;
    free_.push_back(at);
  }

  void tell(double took) {
    std::ranges::sort(took_us_);
    if (took_us_.empty()) give_up("no call was made");
    const auto at = [&](double share) {
      return took_us_[static_cast<std::size_t>(share * static_cast<double>(took_us_.size() - 1))];
    };
    std::println(
        R"({{"calls":{},"calls_per_second":{:.0f},"p50_us":{:.0f},"p90_us":{:.0f},"p99_us":{:.0f},"max_us":{:.0f}}})",
        took_us_.size(), static_cast<double>(took_us_.size()) / took, at(0.5), at(0.9), at(0.99),
        took_us_.back());
  }

  const Options options_;
  int epoll_;
  std::vector<Connection> lines_;
  std::vector<std::size_t> free_;
  std::deque<Instant> waiting_;
  std::size_t busy_ = 0;
  std::uint64_t id_ = 0;
  std::string head_, body_, request_;
  std::vector<double> took_us_;
  std::mt19937_64 random_{7};
};

}  // namespace

int main(int argc, char** argv) {
  Callers(parse(argc, argv)).run();
  return 0;
}
