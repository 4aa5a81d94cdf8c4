#include "cedar/schema.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <format>
#include <map>
#include <set>
#include <utility>

#include "base/suggest.h"
#include "cedar/detail/cursor.h"
#include "cedar/detail/parser.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t largest = std::size_t{16} * 1024 * 1024;
constexpr std::uint32_t deepest = 128;  // types within types

constexpr std::size_t largest_chain = 10'000;

struct Builtin {
  std::string_view name;
  SchemaType::Kind kind;
};
constexpr std::array<Builtin, 8> builtins{{{"Bool", SchemaType::Kind::boolean},
                                           {"Boolean", SchemaType::Kind::boolean},
                                           {"Long", SchemaType::Kind::integer},
                                           {"String", SchemaType::Kind::string},
                                           {"decimal", SchemaType::Kind::decimal},
                                           {"ipaddr", SchemaType::Kind::ip},
                                           {"datetime", SchemaType::Kind::datetime},
                                           {"duration", SchemaType::Kind::duration}}};

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
    if (!cursor_.failed()) resolve_all();
    if (cursor_.failed()) return std::unexpected(cursor_.error());
    return std::move(schema_);
  }

 private:
  // ---- names: while parsing a type's name is kept as written, together with its place and its
  // namespace.

  struct Written {
    std::string_view space;
    std::uint32_t place = 0;
  };

  void resolve_all() {
    for (const SchemaEntity& entity : schema_.entities) entity_names_.insert(entity.name);
    for (const SchemaCommonType& type : schema_.types) common_names_.insert(type.name);
    for (SchemaEntity& entity : schema_.entities) {
      for (std::string& parent : entity.parents) resolve_entity(parent);
      resolve(entity.attributes);
      if (entity.shape) resolve(*entity.shape);
      if (entity.tags) resolve(*entity.tags);
    }
    for (SchemaAction& action : schema_.actions) {
      for (std::string& principal : action.principals) resolve_entity(principal);
      for (std::string& resource : action.resources) resolve_entity(resource);
      if (action.context) resolve(*action.context);
    }
    for (SchemaCommonType& common : schema_.types) resolve(common.type);
    find_cycles();
  }

  void resolve(std::vector<SchemaAttribute>& attributes) {
    for (SchemaAttribute& attribute : attributes) resolve(attribute.type);
  }

  void resolve(SchemaType& type) {
    if (type.kind == SchemaType::Kind::set) return resolve(type.element[0]);
    if (type.kind == SchemaType::Kind::record) return resolve(type.attributes);
    const auto [space, place] = written_[std::stoul(type.name)].first;
    const std::string& name = written_[std::stoul(type.name)].second;
    std::vector<std::string> candidates{name};
    if (!space.empty()) candidates.insert(candidates.begin(), qualified(space, name));
    for (const std::string& candidate : candidates) {
      const bool common = common_names_.contains(candidate);
      if (!common && !entity_names_.contains(candidate)) continue;
      type.kind = common ? SchemaType::Kind::common : SchemaType::Kind::entity;
      type.name = candidate;
      return;
    }
    const auto* const builtin = std::ranges::find_if(builtins, [&](const Builtin& b) {
      return name == b.name || (name.starts_with("__cedar::") && name.substr(9) == b.name);
    });
    if (builtin == builtins.end()) {
      cursor_.fail(place, std::format("there is no type `{}`{}", name, suggestion(name)),
                   base::Code::invalid);
      return;
    }
    type.kind = builtin->kind;
    type.name.clear();
  }

  void resolve_entity(std::string& name) {
    const auto [space, place] = written_[std::stoul(name)].first;
    const std::string& as_written = written_[std::stoul(name)].second;
    for (const std::string& candidate : {qualified(space, as_written), as_written}) {
      if (!entity_names_.contains(candidate)) continue;
      name = candidate;
      return;
    }
    cursor_.fail(place,
                 std::format("there is no entity type `{}`{}", as_written, suggestion(as_written)),
                 base::Code::invalid);
    name = as_written;
  }

  std::string suggestion(std::string_view name) const {
    std::vector<std::string_view> known(entity_names_.begin(), entity_names_.end());
    known.insert(known.end(), common_names_.begin(), common_names_.end());
    for (const Builtin& builtin : builtins) known.push_back(builtin.name);
    const auto near = base::nearest(name, known);
    return near ? std::format(" (did you mean `{}`?)", *near) : std::string();
  }

  // A common type may not contain itself: whoever resolves it would never end.
  void find_cycles() {
    std::map<std::string_view, int> state;  // 1 open, 2 done
    for (const SchemaCommonType& type : schema_.types) check_cycle(type, state);
  }
  void check_cycle(const SchemaCommonType& common, std::map<std::string_view, int>& state) {
    if (cursor_.failed() || state[common.name] == 2) return;
    if (state[common.name] == 1 || state.size() > largest_chain) {
      cursor_.fail(0,
                   std::format("the type `{}` contains itself, or the chain of types is too long",
                               common.name),
                   base::Code::invalid);
      return;
    }
    state[common.name] = 1;
    check_cycle(common.type, state);
    state[common.name] = 2;
  }
  void check_cycle(const SchemaType& type, std::map<std::string_view, int>& state) {
    for (const SchemaType& element : type.element) check_cycle(element, state);
    for (const SchemaAttribute& attribute : type.attributes) check_cycle(attribute.type, state);
    if (type.kind != SchemaType::Kind::common) return;
    check_cycle(*std::ranges::find(schema_.types, type.name, &SchemaCommonType::name), state);
  }

  // Notes a name to be resolved when everything is read; the index is its stand-in.
  std::string note(std::string_view name, std::uint32_t place) {
    written_.push_back({{space_, place}, std::string(name)});
    return std::to_string(written_.size() - 1);
  }

  // ---- syntax

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
    space_ = space;
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
    std::uint32_t place = cursor_.begin();
    if (!cursor_.take(Token::left_bracket)) {
      if (!cursor_.path("an entity type", path)) return false;
      out.push_back(note(path, place));
      return true;
    }
    while (!cursor_.at(Token::right_bracket)) {
      place = cursor_.begin();
      if (!cursor_.path("an entity type", path)) return false;
      out.push_back(note(path, place));
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
    const std::uint32_t place = cursor_.begin();
    out.kind = SchemaType::Kind::common;
    // __cedar::Long is how the builtin type is named when another type hides it.
    const bool builtin = cursor_.at_word("__cedar");
    if (builtin) {
      cursor_.next();
      if (!cursor_.expect(Token::path, "`::`")) return false;
    }
    if (!cursor_.path("a type", path)) return false;
    out.name = note(builtin ? std::format("__cedar::{}", path) : std::string(path), place);
    return true;
  }

  Cursor cursor_;
  Schema schema_;
  std::uint32_t depth_ = 0;
  std::string_view space_;
  std::vector<std::pair<Written, std::string>> written_;
  std::set<std::string_view> entity_names_;
  std::set<std::string_view> common_names_;
};

}  // namespace

const SchemaEntity* Schema::entity(std::string_view name) const {
  const auto found = std::ranges::find(entities, name, &SchemaEntity::name);
  return found == entities.end() ? nullptr : &*found;
}

const SchemaAction* Schema::action(const EntityUid& uid) const {
  const auto found = std::ranges::find_if(actions, [&](const SchemaAction& action) {
    return action.id == uid.id() && action.type == uid.type();
  });
  return found == actions.end() ? nullptr : &*found;
}

const SchemaType& Schema::resolve(const SchemaType& type) const {
  const SchemaType* at = &type;
  while (at->kind == SchemaType::Kind::common) {
    const auto found = std::ranges::find(types, at->name, &SchemaCommonType::name);
    base::check(found != types.end(), "a parsed schema has all types that it names");
    at = &found->type;
  }
  return *at;
}

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
