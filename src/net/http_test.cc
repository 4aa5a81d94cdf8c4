#include <doctest/doctest.h>

#include <string>
#include <vector>

#include "net/http.h"
#include "net/sse.h"

using namespace latticegate;
using net::HttpParser;

namespace {

struct Outcome {
  bool done = false;
  std::string error;
  std::string body;
  std::size_t rest = 0;
};

// Feeds the text in pieces of `step` bytes; the buffer never moves, as in the server.
Outcome run(HttpParser& parser, const std::string& text, std::size_t step) {
  Outcome outcome;
  std::size_t at = 0;
  std::size_t given = 0;
  while (!parser.message_complete()) {
    if (given == at) {
      if (given == text.size()) return outcome;
      given = std::min(text.size(), given + step);
    }
    const auto fed = parser.feed(std::string_view(text).substr(at, given - at));
    if (!fed) {
      outcome.error = fed.error().detail;
      return outcome;
    }
    at += fed->used;
    outcome.body += fed->body;
  }
  outcome.done = true;
  outcome.rest = text.size() - at;
  return outcome;
}

}  // namespace

TEST_CASE("a request is the same however the bytes are cut") {
  const std::string text =
      "POST /mcp/files?x=1 HTTP/1.1\r\nHost: a.example\r\nX-Empty:\r\nAccept:  text/html "
      "\r\nContent-Length: 5\r\n\r\nhelloGET";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    CAPTURE(step);
    HttpParser parser(HttpParser::Side::request, {});
    const Outcome outcome = run(parser, text, step);
    REQUIRE_MESSAGE(outcome.done, outcome.error);
    CHECK(outcome.body == "hello");
    CHECK(parser.head().method == "POST");
    CHECK(parser.head().target == "/mcp/files?x=1");
    CHECK(parser.head().find("accept") == "text/html");
    CHECK(parser.head().find("x-empty") == "");
    CHECK_FALSE(parser.head().find("x-absent").has_value());
  }
}

TEST_CASE("chunked bodies are decoded, extensions dropped, the next message is left alone") {
  const std::string text =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5;a=b\r\nhello\r\n6\r\n "
      "world\r\n0\r\n\r\nGET /";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    HttpParser parser(HttpParser::Side::request, {});
    const Outcome outcome = run(parser, text, step);
    REQUIRE_MESSAGE(outcome.done, outcome.error);
    CHECK(outcome.body == "hello world");
  }
}

TEST_CASE("a released head has no views any more, and its numbers and flags") {
  HttpParser parser(HttpParser::Side::response, {});
  const std::string text = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nX-One: 1\r\n\r\nok";
  REQUIRE(run(parser, text, text.size()).done);
  CHECK(parser.head().headers.size() == 2);
  parser.release_head();
  CHECK(parser.head().headers.capacity() == 0);
  CHECK_FALSE(parser.head().find("x-one").has_value());
  CHECK(parser.head().status == 200);
  CHECK(parser.head().length == 2);
  CHECK(parser.head().keep_alive);
}

// The battery of known ways to make two readers disagree; all are refused, never repaired.
TEST_CASE("ambiguous framing is refused") {
  const std::string head = "POST / HTTP/1.1\r\nHost: x\r\n";
  const std::vector<std::pair<const char*, std::string>> cases = {
      {"length and coding",
       head + "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"coding and length",
       head + "Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"},
      {"two different lengths", head + "Content-Length: 5\r\nContent-Length: 6\r\n\r\nhello!"},
      {"two equal lengths", head + "Content-Length: 5\r\nContent-Length: 5\r\n\r\nhello"},
      {"a list of lengths", head + "Content-Length: 5, 5\r\n\r\nhello"},
      {"a signed length", head + "Content-Length: +5\r\n\r\nhello"},
      {"a negative length", head + "Content-Length: -5\r\n\r\nhello"},
      {"a hexadecimal length", head + "Content-Length: 0x5\r\n\r\nhello"},
      {"an empty length", head + "Content-Length:\r\n\r\n"},
      {"an overlong length", head + "Content-Length: 99999999999999999999\r\n\r\n"},
      {"blank before the colon, length", head + "Content-Length : 5\r\n\r\nhello"},
      {"blank before the colon, coding", head + "Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n"},
      {"unknown coding", head + "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n"},
      {"two codings", head + "Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n"},
      {"repeated coding",
       head + "Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"identity and length",
       head + "Transfer-Encoding: identity\r\nContent-Length: 5\r\n\r\nhello"},
      {"vertical tab before chunked", head + "Transfer-Encoding: \x0b"
                                             "chunked\r\n\r\n0\r\n\r\n"},
      {"bare LF everywhere", "POST / HTTP/1.1\nHost: x\nContent-Length: 5\n\nhello"},
      {"bare LF in one header", head + "A: b\nContent-Length: 5\r\n\r\nhello"},
      {"bare CR in a value", head + "A: b\rc\r\nContent-Length: 5\r\n\r\nhello"},
      {"folded header", head + "A: b\r\n c\r\nContent-Length: 5\r\n\r\nhello"},
      {"NUL in a value", head + std::string("A: b\0c\r\n", 8) + "Content-Length: 5\r\n\r\nhello"},
      {"NUL in a name", head + std::string("A\0: b\r\n", 7) + "Content-Length: 5\r\n\r\nhello"},
      {"hexadecimal chunk size",
       head + "Transfer-Encoding: chunked\r\n\r\n0x5\r\nhello\r\n0\r\n\r\n"},
      {"chunk lines end in LF", head + "Transfer-Encoding: chunked\r\n\r\n5\nhello\n0\n\n"},
      {"chunk size overflow",
       head + "Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFFF\r\nhello\r\n0\r\n\r\n"},
      {"negative chunk size", head + "Transfer-Encoding: chunked\r\n\r\n-5\r\nhello\r\n0\r\n\r\n"},
      {"trailers", head + "Transfer-Encoding: chunked\r\n\r\n0\r\nHost: y\r\n\r\n"},
      {"chunked in HTTP/1.0",
       "POST / HTTP/1.0\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"},
      {"no Host", "POST / HTTP/1.1\r\nContent-Length: 0\r\n\r\n"},
      {"two Host", head + "Host: y\r\nContent-Length: 0\r\n\r\n"},
      {"authority is not the Host",
       "POST http://y/ HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
      {"version 0.9", "POST / HTTP/0.9\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
      {"version 1.2", "POST / HTTP/1.2\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
      {"version 2.0", "POST / HTTP/2.0\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
      {"CONNECT", "CONNECT x:443 HTTP/1.1\r\nHost: x:443\r\n\r\n"},
      {"garbage", std::string("\x16\x03\x01\x02\x00\x01", 6)},
      {"two blanks before the target", "POST  / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
      {"target with blank", "POST /a b HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n"},
  };
  for (const auto& [name, text] : cases)
    for (const std::size_t step : {std::size_t{1}, std::size_t{7}, text.size()}) {
      CAPTURE(name);
      CAPTURE(step);
      HttpParser parser(HttpParser::Side::request, {});
      CHECK_FALSE_MESSAGE(run(parser, text, step).error.empty(), name);
    }
}

TEST_CASE("limits: head, header count, body") {
  HttpParser parser(HttpParser::Side::request, {.head = {1024}, .body = {8}});
  const std::string many = [] {
    std::string text = "GET / HTTP/1.1\r\nHost: x\r\n";
    for (int i = 0; i < 64; ++i) text += "a:b\r\n";
    return text + "\r\n";
  }();
  CHECK(run(parser, many, many.size()).error.contains("header fields"));
  parser.reset();
  const std::string large =
      "GET / HTTP/1.1\r\nHost: x\r\nA: " + std::string(2000, 'a') + "\r\n\r\n";
  CHECK(run(parser, large, 100).error.contains("head is larger"));
  parser.reset();
  const std::string body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n123456789";
  CHECK(run(parser, body, body.size()).error.contains("body is larger"));
  parser.reset();
  const std::string chunks =
      "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: "
      "chunked\r\n\r\n5\r\n12345\r\n5\r\n12345\r\n0\r\n\r\n";
  CHECK(run(parser, chunks, chunks.size()).error.contains("body is larger"));
}

TEST_CASE("limits: fewer header fields than there is room for") {
  std::string text = "GET / HTTP/1.1\r\nHost: a\r\n";
  for (int i = 1; i < 8; ++i) text += "X: 1\r\n";
  for (const std::size_t most : {std::size_t{7}, std::size_t{8}}) {
    HttpParser parser(HttpParser::Side::request, {.fields = most});
    const Outcome outcome = run(parser, text + "\r\n", 1000);
    CHECK(outcome.done == (most == 8));
    CHECK(outcome.error == (most == 8 ? "" : "more than 7 header fields"));
  }
}

TEST_CASE("a message without a body is over with its head, whatever follows") {
  for (const std::string_view text : {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                      "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n",
                                      "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\n"}) {
    CAPTURE(text);
    HttpParser parser(HttpParser::Side::request, {});
    const auto fed = parser.feed(text);
    REQUIRE(fed.has_value());
    CHECK(fed->head_done);
    CHECK(fed->message_done);
    CHECK(fed->used == text.find("\r\n\r\n") + 4);
  }
  HttpParser whole(HttpParser::Side::request, {});
  const std::string_view with_body = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\nhi";
  const auto head = whole.feed(with_body);
  REQUIRE(head.has_value());
  CHECK_FALSE(head->message_done);
  const auto body = whole.feed(with_body.substr(head->used));
  REQUIRE(body.has_value());
  CHECK(body->body == "hi");
  CHECK(body->message_done);
  HttpParser response(HttpParser::Side::response, {});
  REQUIRE(response.feed("HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\n\r\n").has_value());
  CHECK(response.message_complete());
}

TEST_CASE("responses: length, chunked, to the end of the stream, answer to HEAD") {
  HttpParser parser(HttpParser::Side::response, {});
  CHECK(run(parser, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", 3).body == "hi");
  CHECK(parser.head().status == 200);
  parser.reset();
  const Outcome open = run(parser, "HTTP/1.1 200 OK\r\n\r\nto the end", 4);
  CHECK(open.body == "to the end");
  CHECK(parser.end_of_stream().has_value());
  parser.reset();
  run(parser, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhi", 100);
  CHECK_FALSE(parser.end_of_stream().has_value());
  parser.reset(true);
  CHECK(run(parser, "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 100).done);
  parser.reset();
  CHECK_FALSE(
      run(parser,
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
          100)
          .error.empty());
}

TEST_CASE("server-sent events, cut anywhere") {
  const std::string text =
      "\xEF\xBB\xBF: comment\r\nid: 1\r\nretry: 500\r\ndata:\r\n\r\nevent: message\ndata: "
      "{\"a\":1}\ndata: more\n\rdata:x\r\rignored: y\n\n";
  for (std::size_t step = 1; step <= text.size(); ++step) {
    CAPTURE(step);
    net::SseParser parser({4096});
    std::vector<net::ServerEvent> events;
    for (std::size_t at = 0; at < text.size(); at += step) {
      REQUIRE(parser.feed(std::string_view(text).substr(at, step)).has_value());
      while (auto event = parser.next()) events.push_back(*std::move(event));
    }
    REQUIRE(events.size() == 3);
    CHECK(events[0].id == "1");
    CHECK(events[0].retry_ms == 500);
    CHECK(events[0].data.empty());
    CHECK(events[1].event == "message");
    CHECK(events[1].data == "{\"a\":1}\nmore");
    CHECK(events[2].data == "x");
  }
  net::SseParser small({10});
  CHECK_FALSE(small.feed("data: too long for it").has_value());
}

TEST_CASE("an event written is the event read") {
  std::string out;
  net::write_event({.event = "e", .data = "a\nb\r\nc", .id = "7", .retry_ms = 10}, out);
  net::SseParser parser({4096});
  REQUIRE(parser.feed(out).has_value());
  const auto event = parser.next();
  REQUIRE(event.has_value());
  CHECK(event->data == "a\nb\nc");
  CHECK(event->id == "7");
  CHECK(event->retry_ms == 10);
}
