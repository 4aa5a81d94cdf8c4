#include "provenance/encoded.h"

#include <algorithm>
#include <array>
#include <cstdint>

namespace latticegate::provenance {
namespace {

constexpr std::size_t shortest_run = 16;
constexpr std::size_t most_forms = 8;
constexpr std::size_t most_bytes = std::size_t{16} * 1024;

constexpr auto base64_digits = [] {
  std::array<std::int8_t, 256> table{};
  table.fill(-1);
  constexpr std::string_view alphabet =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    table[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  table['-'] = 62;
  table['_'] = 63;
  return table;
}();

std::int8_t base64_digit(char c) { return base64_digits[static_cast<unsigned char>(c)]; }

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// What is decoded and no text is of no use here.
bool is_text(std::string_view bytes) {
  const auto odd = std::ranges::count_if(bytes, [](char c) {
    const auto byte = static_cast<unsigned char>(c);
    return (byte < 0x20 && byte != '\n' && byte != '\r' && byte != '\t') || byte == 0x7f ||
           byte >= 0xf8;
  });
  return !bytes.empty() && static_cast<std::size_t>(odd) * 10 <= bytes.size();
}

class Decoder {
 public:
  explicit Decoder(std::vector<std::string>& out) : out_(out) {}

  std::size_t run(std::string_view text) {
    look(text);
    const std::size_t first = count_;
    for (std::size_t i = 0; i < first; ++i) look(std::string(out_[i]));  // out_ may move
    return count_;
  }

 private:
  void keep(std::string&& bytes) {
    if (!is_text(bytes) || count_ == most_forms || spent_ + bytes.size() > most_bytes) return;
    spent_ += bytes.size();
    if (out_.size() <= count_) out_.emplace_back();
    out_[count_++] = std::move(bytes);
  }

  void look(std::string_view text) {
    if (text.size() > most_bytes * 2) text = text.substr(0, most_bytes * 2);
    percent(text);
    for (std::size_t at = 0; at < text.size();) {
      if (base64_digit(text[at]) < 0) {
        ++at;
        continue;
      }
      std::size_t end = at;
      bool hex = true;
      // Long encodings are broken into lines.
      while (end < text.size() &&
             (base64_digit(text[end]) >= 0 || text[end] == '\n' || text[end] == '\r')) {
        hex = hex && (hex_digit(text[end]) >= 0 || text[end] == '\n' || text[end] == '\r');
        ++end;
      }
      const std::string_view run = text.substr(at, end - at);
      if (run.size() >= shortest_run) {
        if (hex) hexadecimal(run);
        base64(run);
      }
      at = end;
    }
  }

  void percent(std::string_view text) {
    if (std::ranges::count(text, '%') < 3) return;
    std::string bytes;
    for (std::size_t i = 0; i < text.size(); ++i) {
      if (text[i] == '%' && i + 2 < text.size() && hex_digit(text[i + 1]) >= 0 &&
          hex_digit(text[i + 2]) >= 0) {
        bytes += static_cast<char>(hex_digit(text[i + 1]) * 16 + hex_digit(text[i + 2]));
        i += 2;
      } else {
        bytes += text[i];
      }
    }
    keep(std::move(bytes));
  }

  void hexadecimal(std::string_view run) {
    std::string bytes;
    int high = -1;
    for (const char c : run) {
      const int digit = hex_digit(c);
      if (digit < 0) continue;
      if (high < 0) {
        high = digit;
      } else {
        bytes += static_cast<char>(high * 16 + digit);
        high = -1;
      }
    }
    keep(std::move(bytes));
  }

  void base64(std::string_view run) {
    std::string bytes;
    std::uint32_t bits = 0;
    unsigned have = 0;
    for (const char c : run) {
      const std::int8_t digit = base64_digit(c);
      if (digit < 0) continue;
      bits = bits << 6 | static_cast<std::uint32_t>(digit);
      have += 6;
      if (have >= 8) {
        have -= 8;
        bytes += static_cast<char>(bits >> have & 0xff);
      }
    }
    keep(std::move(bytes));
  }

  std::vector<std::string>& out_;
  std::size_t count_ = 0;
  std::size_t spent_ = 0;
};

}  // namespace

std::size_t decoded_forms(std::string_view text, std::vector<std::string>& out) {
  return Decoder(out).run(text);
}

}  // namespace latticegate::provenance
