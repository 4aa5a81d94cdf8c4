// The only place that sees yaml-cpp: its event stream builds our tree, its exceptions end here.
#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/exceptions.h>
#include <yaml-cpp/parser.h>

#include <algorithm>
#include <format>
#include <set>
#include <span>
#include <spanstream>
#include <utility>

#include "base/log.h"
#include "yaml/node.h"

namespace latticegate::yaml {

class Builder final : public YAML::EventHandler {
 public:
  // Thrown through yaml-cpp to end the parse early; caught in parse().
  struct Refusal {
    base::Error error;
  };

  Builder(std::string_view file, const Limits& limits)
      : file_(std::make_shared<const std::string>(file)), limits_(limits) {}

  Node take() { return std::move(root_); }

  Refusal refusal(const YAML::Mark& mark, std::string_view sentence,
                  base::Code code = base::Code::malformed) const {
    Node place;
    put_place(place, mark);
    return {place.error(sentence, code).error()};
  }

  void OnDocumentStart(const YAML::Mark& mark) override {
    if (documents_++ > 0) throw refusal(mark, "a second document; one file holds one");
  }
  void OnDocumentEnd() override {}

  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    plain(mark, "", anchor);
    add(mark, Kind::null, {}, false);
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    throw refusal(mark, "an alias (*name); write the value out", base::Code::unsupported);
  }
  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    // Escapes of quoted texts can write what the file itself may not contain.
    if (value.contains('\0') || !base::is_utf8(value))
      throw refusal(mark, "an escape for a character that is none");
    // yaml-cpp says "?" for plain scalars and "!" for quoted ones.
    plain(mark, tag == "?" || tag == "!" ? "" : tag, anchor);
    add(mark, Kind::scalar, value, tag == "!");
  }
  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    plain(mark, tag, anchor);
    open(mark, Kind::list);
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    plain(mark, tag, anchor);
    open(mark, Kind::map);
  }
  void OnMapEnd() override { close(); }

 private:
  struct Frame {
    Node node;
    std::set<std::string, std::less<>> seen;
    bool has_key = false;  // a key waits at the end of the node's entries for its value
  };

  void put_place(Node& node, const YAML::Mark& mark) const {
    node.file_ = file_;
    node.line_ = static_cast<std::uint32_t>(std::max(mark.line, 0)) + 1;
    node.column_ = static_cast<std::uint32_t>(std::max(mark.column, 0)) + 1;
  }

  void plain(const YAML::Mark& mark, std::string_view tag, YAML::anchor_t anchor) const {
    if (anchor != 0)
      throw refusal(mark, "an anchor (&name); write the value out", base::Code::unsupported);
    if (!tag.empty() && tag != "?")
      throw refusal(mark, std::format("a tag (\"{}\")", base::printable(tag.substr(0, 40))),
                    base::Code::unsupported);
  }

  void count(const YAML::Mark& mark) {
    if (++nodes_ > limits_.nodes)
      throw refusal(mark, std::format("more than {} values", limits_.nodes), base::Code::too_large);
  }

  void open(const YAML::Mark& mark, Kind kind) {
    count(mark);
    if (stack_.size() >= limits_.depth)
      throw refusal(mark, std::format("nested deeper than {}", limits_.depth),
                    base::Code::too_large);
    if (!stack_.empty() && stack_.back().node.kind_ == Kind::map && !stack_.back().has_key)
      throw refusal(mark, "a key that is not a text", base::Code::unsupported);
    Frame frame;
    put_place(frame.node, mark);
    frame.node.kind_ = kind;
    stack_.push_back(std::move(frame));
  }

  void close() {
    Node node = std::move(stack_.back().node);
    stack_.pop_back();
    place(std::move(node));
  }

  void add(const YAML::Mark& mark, Kind kind, std::string_view text, bool quoted) {
    if (!stack_.empty() && stack_.back().node.kind_ == Kind::map && !stack_.back().has_key) {
      add_key(mark, kind, text);
      return;
    }
    count(mark);
    Node node;
    put_place(node, mark);
    node.kind_ = kind;
    node.text_ = text;
    node.quoted_ = quoted;
    place(std::move(node));
  }

  void add_key(const YAML::Mark& mark, Kind kind, std::string_view text) {
    Frame& frame = stack_.back();
    if (kind != Kind::scalar) throw refusal(mark, "a key that is not a text");
    if (text == "<<")
      throw refusal(mark, "a merge key (<<); write the values out", base::Code::unsupported);
    if (!frame.seen.emplace(text).second)
      throw refusal(
          mark, std::format("the key \"{}\" appears twice", base::printable(text.substr(0, 80))));
    Node place_of_key;
    put_place(place_of_key, mark);
    frame.node.entries_.push_back(
        {std::string(text), Node(), place_of_key.line_, place_of_key.column_});
    frame.has_key = true;
  }

  void place(Node node) {
    if (stack_.empty()) {
      root_ = std::move(node);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.node.kind_ == Kind::list) {
      frame.node.items_.push_back(std::move(node));
    } else {
      frame.node.entries_.back().value = std::move(node);
      frame.has_key = false;
    }
  }

  std::shared_ptr<const std::string> file_;
  Limits limits_;
  std::vector<Frame> stack_;
  Node root_;
  std::uint32_t nodes_ = 0;
  int documents_ = 0;
};

namespace {

// The place of the first byte that has no business in a text file, or npos.
std::size_t find_control(std::string_view text) {
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && byte != '\n' && byte != '\t' && byte != '\r') || byte == 0x7F) return i;
  }
  return std::string_view::npos;
}

YAML::Mark mark_of(std::string_view text, std::size_t offset) {
  YAML::Mark mark;
  const std::string_view before = text.substr(0, offset);
  mark.line = static_cast<int>(std::ranges::count(before, '\n'));
  const std::size_t newline = before.rfind('\n');
  mark.column = static_cast<int>(newline == std::string_view::npos ? offset : offset - newline - 1);
  return mark;
}

}  // namespace

base::Result<Node> parse(std::string_view text, std::string_view file, const Limits& limits) {
  Builder builder(file, limits);
  try {
    if (text.size() > limits.size.count)
      throw builder.refusal(
          {}, std::format("{} bytes; the limit is {}", text.size(), limits.size.count),
          base::Code::too_large);
    if (!base::is_utf8(text)) throw builder.refusal({}, "not valid UTF-8");
    if (const std::size_t at = find_control(text); at != std::string_view::npos)
      throw builder.refusal(mark_of(text, at), "a control character");
    // yaml-cpp accepts a quoted text that runs to the end of the file; in front of an end marker it
    // does not.
    std::string ended(text);
    if (!text.ends_with('\n')) ended += '\n';
    ended += "...\n";
    std::ispanstream stream{std::span<const char>(ended)};
    YAML::Parser parser(stream);
    while (parser.HandleNextDocument(builder)) {
    }
    return builder.take();
  } catch (const Builder::Refusal& refusal) {
    return std::unexpected(refusal.error);
  } catch (const YAML::Exception& exception) {
    return std::unexpected(builder.refusal(exception.mark, exception.msg).error);
  }
}

}  // namespace latticegate::yaml
