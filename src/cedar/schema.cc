#include "cedar/schema.h"

#include <algorithm>
#include <format>
#include <limits>
#include <utility>

#include "cedar/detail/cursor.h"
#include "cedar/detail/parser.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t largest = std::size_t{16} * 1024 * 1024;
constexpr std::uint32_t deepest = 128;  // types within types

std::string qualified(std::string_view space, std::string_view name) {
  return space.empty() ? std::string(name) : std::format("{}::{}", space, name);
}

class SchemaParser {
 public:
  SchemaParser(const SourceFile& file, Arena& arena) : cursor_(file, arena) {}

  base::Result<Schema> run() {
    while (!cursor_.at(Token::end) && !cursor_.failed()) {
      std::vector<SchemaAnnotation> annotations;
      if (!parse_annotations(annotations)) break;
      if (cursor_.at_word("namespace")) {
        parse_namespace();
      } else {
        declaration({}, std::move(annotations));
      }
    }
    if (cursor_.failed()) return std::unexpected(cursor_.error());
    return std::move(schema_);
  }

 private:
  bool parse_annotations(std::vector<SchemaAnnotation>& out) {
    while (cursor_.take(Token::at)) {
      if (!cursor_.at(Token::identifier)) return cursor_.expected("the name of an annotation");
      SchemaAnnotation annotation{std::string(cursor_.text(cursor_.next())), {}};
      std::string_view value;
      if (cursor_.take(Token::left_paren)) {
        if (!cursor_.string("the annotation's value as a string", value) ||
            !cursor_.expect(Token::right_paren, "`)`"))
          return false;
      }
      annotation.value = value;
      out.push_back(std::move(annotation));
    }
    return true;
  }

  bool parse_namespace() {
    cursor_.next();
    std::string_view name;
    if (!cursor_.path("the name of a namespace", name) || !cursor_.expect(Token::left_brace, "`{`"))
      return false;
    while (!cursor_.take(Token::right_brace)) {
      std::vector<SchemaAnnotation> annotations;
      if (cursor_.at(Token::end)) return cursor_.expected("a declaration or `}`");
      if (!parse_annotations(annotations) || !declaration(name, std::move(annotations)))
        return false;
    }
    return true;
  }

  bool declaration(std::string_view space, std::vector<SchemaAnnotation> annotations) {
    if (cursor_.take_word("entity")) return entity(space, std::move(annotations));
    if (cursor_.take_word("action")) return action(space, std::move(annotations));
    if (cursor_.take_word("type")) return common_type(space, std::move(annotations));
    return cursor_.expected("`entity`, `action`, `type` or `namespace`");
  }

  bool entity(std::string_view space, std::vector<SchemaAnnotation> annotations) {
    std::vector<std::string> names;
    do {
      std::string_view name;
      if (!cursor_.name("the name of an entity type", name)) return false;
      names.push_back(qualified(space, name));
    } while (cursor_.take(Token::comma));
    SchemaEntity entity;
    entity.annotations = std::move(annotations);
    if (cursor_.take_word("enum")) {
      if (!string_list(entity.enumeration)) return false;
    } else {
      if (cursor_.take_word("in") && !types(entity.parents)) return false;
      const bool sign = cursor_.take(Token::assign);
      if (cursor_.at(Token::left_brace)) {
        if (!attributes(entity.attributes)) return false;
      } else if (sign) {
        SchemaType shape;
        if (!type(shape)) return false;
        entity.shape = std::move(shape);
      }
      if (cursor_.take_word("tags")) {
        SchemaType tags;
        if (!type(tags)) return false;
        entity.tags = std::move(tags);
      }
    }
    if (!cursor_.expect(Token::semicolon, "`;` after the entity type")) return false;
    for (std::string& name : names) {
      entity.name = std::move(name);
      schema_.entities.push_back(entity);
    }
    return true;
  }

  bool string_list(std::vector<std::string>& out) {
    if (!cursor_.expect(Token::left_bracket, "`[`")) return false;
    while (!cursor_.at(Token::right_bracket)) {
      std::string_view id;
      if (!cursor_.string("an id as a string", id)) return false;
      out.emplace_back(id);
      if (!cursor_.take(Token::comma)) break;
    }
    return cursor_.expect(Token::right_bracket, "`,` or `]`");
  }

  // One path or a bracketed list of paths.
  bool types(std::vector<std::string>& out) {
    std::string_view path;
    if (!cursor_.take(Token::left_bracket)) {
      if (!cursor_.path("an entity type", path)) return false;
      out.emplace_back(path);
      return true;
    }
    while (!cursor_.at(Token::right_bracket)) {
      if (!cursor_.path("an entity type", path)) return false;
      out.emplace_back(path);
      if (!cursor_.take(Token::comma)) break;
    }
    return cursor_.expect(Token::right_bracket, "`,` or `]`");
  }

  bool name_or_string(std::string_view what, std::string& out) {
    std::string_view text;
    if (!(cursor_.at(Token::string) ? cursor_.string(what, text) : cursor_.name(what, text)))
      return false;
    out = text;
    return true;
  }

  bool action(std::string_view space, std::vector<SchemaAnnotation> annotations) {
    std::vector<std::string> ids;
    do {
      if (!name_or_string("the name of an action", ids.emplace_back())) return false;
    } while (cursor_.take(Token::comma));
    SchemaAction action;
    action.type = qualified(space, "Action");
    action.annotations = std::move(annotations);
    if (cursor_.take_word("in")) {
      if (cursor_.take(Token::left_bracket)) {
        while (!cursor_.at(Token::right_bracket)) {
          if (!group(action)) return false;
          if (!cursor_.take(Token::comma)) break;
        }
        if (!cursor_.expect(Token::right_bracket, "`,` or `]`")) return false;
      } else if (!group(action)) {
        return false;
      }
    }
    if (cursor_.take_word("appliesTo") && !applies_to(action)) return false;
    if (cursor_.take_word("attributes")) {  // an old form, always empty
      if (!cursor_.expect(Token::left_brace, "`{`") || !cursor_.expect(Token::right_brace, "`}`"))
        return false;
    }
    if (!cursor_.expect(Token::semicolon, "`appliesTo`, `in` or `;`")) return false;
    for (std::string& id : ids) {
      action.id = std::move(id);
      schema_.actions.push_back(action);
    }
    return true;
  }

  // "read", read, or NS::Action::"read".
  bool group(SchemaAction& action) {
    if (cursor_.at(Token::identifier) && cursor_.peek(1).token == Token::path) {
      std::string_view type;
      std::string_view id;
      if (!cursor_.path("an action type", type) || !cursor_.expect(Token::path, "`::`") ||
          !cursor_.string("the action's id as a string", id))
        return false;
      // A bare `Action` means the one of this namespace.
      action.parents.emplace_back(type == "Action" ? action.type : std::string(type), id);
      return true;
    }
    std::string id;
    if (!name_or_string("an action", id)) return false;
    action.parents.emplace_back(action.type, std::move(id));
    return true;
  }

  bool applies_to(SchemaAction& action) {
    action.applies = true;
    if (!cursor_.expect(Token::left_brace, "`{`")) return false;
    while (!cursor_.at(Token::right_brace)) {
      const std::uint32_t begin = cursor_.begin();
      const bool principal = cursor_.at_word("principal");
      if (principal || cursor_.at_word("resource")) {
        cursor_.next();
        std::vector<std::string>& list = principal ? action.principals : action.resources;
        if (!list.empty()) return cursor_.fail(begin, "this stands twice in `appliesTo`");
        if (!cursor_.expect(Token::colon, "`:`") || !types(list)) return false;
        if (list.empty())
          return cursor_.fail(begin, "the list of types in `appliesTo` cannot be empty");
      } else if (cursor_.take_word("context")) {
        SchemaType context;
        if (!cursor_.expect(Token::colon, "`:`") || !type(context)) return false;
        action.context = std::move(context);
      } else {
        return cursor_.expected("`principal`, `resource`, `context` or `}`");
      }
      if (!cursor_.take(Token::comma)) break;
    }
    const std::uint32_t end = cursor_.begin();
    if (!cursor_.expect(Token::right_brace, "`,` or `}`")) return false;
    if (action.principals.empty() || action.resources.empty())
      return cursor_.fail(end, "`appliesTo` needs `principal` and `resource`");
    return true;
  }

  bool common_type(std::string_view space, std::vector<SchemaAnnotation> annotations) {
    std::string_view name;
    SchemaCommonType common;
    if (!cursor_.name("the name of a type", name) || !cursor_.expect(Token::assign, "`=`") ||
        !type(common.type) || !cursor_.expect(Token::semicolon, "`;` after the type"))
      return false;
    common.name = qualified(space, name);
    common.annotations = std::move(annotations);
    schema_.types.push_back(std::move(common));
    return true;
  }

  bool attributes(std::vector<SchemaAttribute>& out) {
    cursor_.next();
    while (!cursor_.at(Token::right_brace)) {
      SchemaAttribute attribute;
      if (!parse_annotations(attribute.annotations)) return false;
      const std::uint32_t begin = cursor_.begin();
      if (!name_or_string("the name of an attribute or `}`", attribute.name)) return false;
      if (std::ranges::contains(out, attribute.name, &SchemaAttribute::name))
        return cursor_.fail(
            begin, std::format("the attribute `{}` stands twice in this record", attribute.name));
      attribute.required = !cursor_.take(Token::question);
      if (!cursor_.expect(Token::colon, "`:` or `?:`") || !type(attribute.type)) return false;
      out.push_back(std::move(attribute));
      if (!cursor_.take(Token::comma)) break;
    }
    return cursor_.expect(Token::right_brace, "`,` or `}`");
  }

  bool type(SchemaType& out) {
    if (depth_ >= deepest)
      return cursor_.fail(cursor_.begin(),
                          std::format("types nested more than {} levels deep", deepest),
                          base::Code::too_large);
    ++depth_;
    const bool done = type_inside(out);
    --depth_;
    return done;
  }

  bool type_inside(SchemaType& out) {
    if (cursor_.at(Token::left_brace)) {
      out.kind = SchemaType::Kind::record;
      return attributes(out.attributes);
    }
    if (cursor_.at_word("Set") && cursor_.peek(1).token == Token::less) {
      out.kind = SchemaType::Kind::set;
      cursor_.next();
      cursor_.next();
      return type(out.element.emplace_back()) && cursor_.expect(Token::greater, "`>`");
    }
    std::string_view path;
    // __cedar::Long is how the builtin type is named when another type hides it.
    const bool builtin = cursor_.at_word("__cedar");
    if (builtin) {
      cursor_.next();
      if (!cursor_.expect(Token::path, "`::`")) return false;
    }
    if (!cursor_.path("a type", path)) return false;
    out.name = builtin ? std::format("__cedar::{}", path) : std::string(path);
    return true;
  }

  Cursor cursor_;
  Schema schema_;
  std::uint32_t depth_ = 0;
};

}  // namespace

void Schema::add_action_entities(Entities::Builder& builder) const {
  std::vector<EntityUid> groups;
  for (const SchemaAction& action : actions) {
    groups.clear();
    for (const auto& [type, id] : action.parents) groups.emplace_back(type, id);
    builder.add({action.type, action.id}, Value::empty_record(), groups);
  }
}

base::Result<Schema> parse_schema(std::string_view text, std::string_view file) {
  if (text.size() > largest)
    return base::fail(base::Code::too_large, std::format("{}: {} bytes of schema; the limit is {}",
                                                         file, text.size(), largest));
  const SourceFile source(file, text);
  if (auto encoding = check_encoding(source); !encoding) return std::unexpected(encoding.error());
  Arena arena;
  return SchemaParser(source, arena).run();
}

}  // namespace latticegate::cedar
