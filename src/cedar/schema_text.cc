// Schema text to SchemaSource: the grammar, and nothing of what names mean.
#include <algorithm>
#include <array>
#include <cstddef>
#include <format>
#include <utility>

#include "cedar/detail/cursor.h"
#include "cedar/detail/parser.h"
#include "cedar/schema_source.h"
#include "cedar/type.h"

namespace latticegate::cedar {
namespace {

constexpr std::size_t largest = std::size_t{16} * 1024 * 1024;

using Source = SchemaSource;

class SchemaReader {
 public:
  SchemaReader(const SourceFile& file, Arena& arena) : cursor_(file, arena) {}

  base::Result<Source> run() {
    while (!cursor_.at(Token::end) && !cursor_.failed()) {
      Source::Annotations annotations;
      if (!parse_annotations(annotations)) break;
      const bool read = cursor_.at_word("namespace")
                            ? parse_namespace(std::move(annotations))
                            : declaration(outside(), std::move(annotations));
      if (!read) break;
    }
    if (cursor_.failed()) return std::unexpected(cursor_.error());
    return std::move(source_);
  }

 private:
  // The declarations outside of any namespace.
  Source::Namespace& outside() {
    const auto found = std::ranges::find(source_.namespaces, "", &Source::Namespace::name);
    return found != source_.namespaces.end() ? *found : source_.namespaces.emplace_back();
  }

  bool parse_annotations(Source::Annotations& out) {
    while (cursor_.take(Token::at)) {
      if (!cursor_.at(Token::identifier)) return cursor_.expected("the name of an annotation");
      const std::uint32_t place = cursor_.begin();
      Source::Annotation annotation{std::string(cursor_.text(cursor_.next())), {}};
      std::string_view value;
      if (cursor_.take(Token::left_paren) &&
          (!cursor_.string("the annotation's value as a string", value) ||
           !cursor_.expect(Token::right_paren, "`)`")))
        return false;
      annotation.value = value;
      if (std::ranges::contains(out, annotation.key, &Source::Annotation::key))
        return cursor_.fail(place,
                            std::format("the annotation `@{}` stands twice here", annotation.key));
      out.push_back(std::move(annotation));
    }
    return true;
  }

  bool parse_namespace(Source::Annotations annotations) {
    cursor_.next();
    const std::uint32_t place = cursor_.begin();
    std::string_view name;
    if (!cursor_.path("the name of a namespace", name) || !cursor_.expect(Token::left_brace, "`{`"))
      return false;
    if (std::ranges::contains(source_.namespaces, name, &Source::Namespace::name))
      return cursor_.fail(place, std::format("the namespace `{}` is declared twice", name));
    Source::Namespace space;
    space.name = name;
    space.annotations = std::move(annotations);
    space.place = place;
    while (!cursor_.take(Token::right_brace)) {
      Source::Annotations inner;
      if (cursor_.at(Token::end)) return cursor_.expected("a declaration or `}`");
      if (!parse_annotations(inner) || !declaration(space, std::move(inner))) return false;
    }
    source_.namespaces.push_back(std::move(space));
    return true;
  }

  bool declaration(Source::Namespace& space, Source::Annotations annotations) {
    if (cursor_.take_word("entity")) return entity(space, std::move(annotations));
    if (cursor_.take_word("action")) return action(space, std::move(annotations));
    if (cursor_.take_word("type")) return common_type(space, std::move(annotations));
    return cursor_.expected("`entity`, `action`, `type` or `namespace`");
  }

  bool entity(Source::Namespace& space, Source::Annotations annotations) {
    std::vector<Source::Reference> names;
    if (!names_of_types(names)) return false;
    Source::Entity entity;
    entity.annotations = std::move(annotations);
    const bool read = cursor_.take_word("enum") ? enumeration(entity.enumeration.emplace())
                                                : standard_entity(entity);
    if (!read || !cursor_.expect(Token::semicolon, "`;` after the entity type")) return false;
    for (Source::Reference& name : names) {
      entity.name = std::move(name.name);
      entity.place = name.place;
      space.entities.push_back(entity);
    }
    return true;
  }

  bool names_of_types(std::vector<Source::Reference>& out) {
    do {
      const std::uint32_t place = cursor_.begin();
      std::string_view name;
      if (!cursor_.name("the name of an entity type", name)) return false;
      out.push_back({std::string(name), place});
    } while (cursor_.take(Token::comma));
    return true;
  }

  bool standard_entity(Source::Entity& entity) {
    if (cursor_.take_word("in") && !types(entity.parents)) return false;
    const bool sign = cursor_.take(Token::assign);
    if ((sign || cursor_.at(Token::left_brace)) && !type(entity.shape.emplace())) return false;
    return !cursor_.take_word("tags") || type(entity.tags.emplace());
  }

  bool enumeration(std::vector<std::string>& out) {
    if (!cursor_.expect(Token::left_bracket, "`[`")) return false;
    do {
      std::string_view id;
      if (!cursor_.string("an id as a string", id)) return false;
      out.emplace_back(id);
    } while (cursor_.take(Token::comma) && !cursor_.at(Token::right_bracket));
    return cursor_.expect(Token::right_bracket, "`,` or `]`");
  }

  // One path or a bracketed list of paths.
  bool types(std::vector<Source::Reference>& out) {
    const auto one = [&] {
      const std::uint32_t place = cursor_.begin();
      std::string_view path;
      if (!cursor_.path("an entity type", path)) return false;
      out.push_back({std::string(path), place});
      return true;
    };
    if (!cursor_.take(Token::left_bracket)) return one();
    while (!cursor_.at(Token::right_bracket)) {
      if (!one()) return false;
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

  bool action(Source::Namespace& space, Source::Annotations annotations) {
    std::vector<Source::Reference> names;
    do {
      const std::uint32_t place = cursor_.begin();
      std::string id;
      if (!name_or_string("the name of an action", id)) return false;
      names.push_back({std::move(id), place});
    } while (cursor_.take(Token::comma));
    Source::Action action;
    action.annotations = std::move(annotations);
    if (cursor_.take_word("in") && !groups(action.parents)) return false;
    if (cursor_.take_word("appliesTo") && !applies_to(action.applies.emplace())) return false;
    if (cursor_.take_word("attributes") &&  // an old form, always empty
        (!cursor_.expect(Token::left_brace, "`{`") || !cursor_.expect(Token::right_brace, "`}`")))
      return false;
    if (!cursor_.expect(Token::semicolon, "`;` after the action")) return false;
    for (Source::Reference& name : names) {
      action.id = std::move(name.name);
      action.place = name.place;
      space.actions.push_back(action);
    }
    return true;
  }

  bool groups(std::vector<Source::ActionReference>& out) {
    if (!cursor_.take(Token::left_bracket)) return group(out);
    while (!cursor_.at(Token::right_bracket)) {
      if (!group(out)) return false;
      if (!cursor_.take(Token::comma)) break;
    }
    return cursor_.expect(Token::right_bracket, "`,` or `]`");
  }

  bool group(std::vector<Source::ActionReference>& out) {
    Source::ActionReference group;
    group.place = cursor_.begin();
    if (cursor_.at(Token::identifier) && cursor_.peek(1).token == Token::path) {
      std::string_view type;
      std::string_view id;
      if (!cursor_.path("an action type", type) || !cursor_.expect(Token::path, "`::`") ||
          !cursor_.string("the action's id as a string", id))
        return false;
      group.type = type;
      group.id = id;
    } else if (!name_or_string("an action", group.id)) {
      return false;
    }
    out.push_back(std::move(group));
    return true;
  }

  bool applies_to(Source::AppliesTo& out) {
    if (!cursor_.expect(Token::left_brace, "`{`")) return false;
    while (!cursor_.at(Token::right_brace)) {
      if (!applies_part(out)) return false;
      if (!cursor_.take(Token::comma)) break;
    }
    const std::uint32_t end = cursor_.begin();
    if (!cursor_.expect(Token::right_brace, "`,` or `}`")) return false;
    if (out.principals.empty() || out.resources.empty())
      return cursor_.fail(end, "`appliesTo` needs `principal` and `resource`");
    return true;
  }

  bool applies_part(Source::AppliesTo& out) {
    const std::uint32_t begin = cursor_.begin();
    const auto twice = [&] { return cursor_.fail(begin, "this stands twice in `appliesTo`"); };
    if (cursor_.take_word("context")) {
      if (out.context) return twice();
      return cursor_.expect(Token::colon, "`:`") && type(out.context.emplace());
    }
    const bool principal = cursor_.take_word("principal");
    if (!principal && !cursor_.take_word("resource"))
      return cursor_.expected("`principal`, `resource`, `context` or `}`");
    std::vector<Source::Reference>& list = principal ? out.principals : out.resources;
    if (!list.empty()) return twice();
    if (!cursor_.expect(Token::colon, "`:`") || !types(list)) return false;
    if (list.empty())
      return cursor_.fail(begin, "the list of types in `appliesTo` cannot be empty");
    return true;
  }

  bool common_type(Source::Namespace& space, Source::Annotations annotations) {
    Source::CommonType common;
    common.place = cursor_.begin();
    common.annotations = std::move(annotations);
    std::string_view name;
    if (!cursor_.name("the name of a type", name) || !cursor_.expect(Token::assign, "`=`") ||
        !type(common.type) || !cursor_.expect(Token::semicolon, "`;` after the type"))
      return false;
    common.name = name;
    space.types.push_back(std::move(common));
    return true;
  }

  bool attributes(std::vector<Source::Attribute>& out) {
    cursor_.next();
    while (!cursor_.at(Token::right_brace)) {
      if (!attribute(out)) return false;
      if (!cursor_.take(Token::comma)) break;
    }
    if (!cursor_.expect(Token::right_brace, "`,` or `}`")) return false;
    return no_attribute_twice(out);
  }

  bool attribute(std::vector<Source::Attribute>& out) {
    Source::Attribute& attribute = out.emplace_back();
    if (!parse_annotations(attribute.annotations)) return false;
    attribute.place = cursor_.begin();
    if (!name_or_string("the name of an attribute or `}`", attribute.name)) return false;
    attribute.required = !cursor_.take(Token::question);
    return cursor_.expect(Token::colon, "`:` or `?:`") && type(attribute.type);
  }

  // Sorted views: a record of n attributes costs n log n, not n squared.
  bool no_attribute_twice(const std::vector<Source::Attribute>& all) {
    std::vector<const Source::Attribute*> sorted;
    for (const Source::Attribute& one : all) sorted.push_back(&one);
    std::ranges::stable_sort(sorted, {}, &Source::Attribute::name);
    const auto twin = std::ranges::adjacent_find(sorted, {}, &Source::Attribute::name);
    if (twin == sorted.end()) return true;
    return cursor_.fail(
        twin[1]->place,
        std::format("the attribute `{}` stands twice in this record", (*twin)->name));
  }

  bool type(Source::Type& out) {
    if (depth_ >= deepest_type)
      return cursor_.fail(cursor_.begin(),
                          std::format("types nested more than {} levels deep", deepest_type),
                          base::Code::too_large);
    ++depth_;
    const bool done = type_inside(out);
    --depth_;
    return done;
  }

  bool type_inside(Source::Type& out) {
    out.place = cursor_.begin();
    if (cursor_.at(Token::left_brace)) {
      out.kind = Source::Type::Kind::record;
      return attributes(out.attributes);
    }
    if (cursor_.at_word("Set") && cursor_.peek(1).token == Token::less) {
      out.kind = Source::Type::Kind::set;
      cursor_.next();
      cursor_.next();
      return type(out.element.emplace_back()) && cursor_.expect(Token::greater, "`>`");
    }
    out.kind = Source::Type::Kind::name;
    // __cedar::Long is how a builtin type is named when another type hides it.
    if (cursor_.take_word("__cedar")) {
      if (!cursor_.expect(Token::path, "`::`")) return false;
      out.text = "__cedar::";
    }
    std::string_view path;
    if (!cursor_.path("a type", path)) return false;
    out.text += path;
    return true;
  }

  Cursor cursor_;
  Source source_;
  std::uint32_t depth_ = 0;
};

}  // namespace

base::Result<SchemaSource> read_schema_text(std::string_view text, std::string_view file) {
  if (text.size() > largest)
    return base::fail(base::Code::too_large, std::format("{}: {} bytes of schema; the limit is {}",
                                                         file, text.size(), largest));
  auto source = std::make_shared<const SourceFile>(file, text);
  if (auto encoding = check_encoding(*source); !encoding) return std::unexpected(encoding.error());
  Arena arena;
  auto schema = SchemaReader(*source, arena).run();
  if (!schema) return schema;
  schema->name = file;
  schema->text = std::move(source);
  return schema;
}

}  // namespace latticegate::cedar
