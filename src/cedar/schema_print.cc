// SchemaSource to schema text, in one normal layout: two blanks per level, one attribute a line.
#include <format>
#include <set>
#include <utility>

#include "cedar/detail/builtin.h"
#include "cedar/detail/lexer.h"
#include "cedar/schema_source.h"
#include "cedar/value.h"

namespace latticegate::cedar {
namespace {

using Source = SchemaSource;

bool is_name(std::string_view text) { return is_identifier(text) && !is_reserved(text); }

std::string name_or_string(std::string_view text) {
  return is_name(text) ? std::string(text) : quoted(text);
}

class SchemaPrinter {
 public:
  explicit SchemaPrinter(const Source& source) : source_(source) {
    for (const Source::Namespace& space : source.namespaces) {
      for (const Source::CommonType& one : space.types)
        common_.insert(qualified(space.name, one.name));
      for (const Source::Entity& one : space.entities)
        entities_.insert(qualified(space.name, one.name));
    }
  }

  base::Result<std::string> run() {
    for (const Source::Namespace& space : source_.namespaces) {
      space_ = &space;
      if (!space.name.empty()) {
        separate();
        annotations(space.annotations);
        line(std::format("namespace {} {{", space.name));
        ++level_;
        fresh_ = true;
      }
      for (const Source::CommonType& common : space.types) common_type(common);
      for (const Source::Entity& one : space.entities) entity(one);
      for (const Source::Action& one : space.actions) action(one);
      if (!space.name.empty()) {
        --level_;
        line("}");
        fresh_ = false;
      }
    }
    if (!complaint_.empty()) return base::fail(base::Code::unsupported, complaint_);
    return std::move(out_);
  }

 private:
  void indent() { out_.append(std::size_t{2} * level_, ' '); }
  void line(std::string_view text) {
    indent();
    out_ += text;
    out_ += '\n';
  }
  // An empty line between declarations.
  void separate() {
    if (!fresh_) out_ += '\n';
    fresh_ = false;
  }
  void complain(std::string text) {
    if (complaint_.empty()) complaint_ = std::move(text);
  }
  std::string identifier(const std::string& name) {
    if (!is_name(name))
      complain(std::format("schema text has no way to write the name {}", quoted(name)));
    return name;
  }

  void annotations(const Source::Annotations& all) {
    for (const Source::Annotation& one : all)
      line(one.value.empty() ? std::format("@{}", one.key)
                             : std::format("@{}({})", one.key, quoted(one.value)));
  }

  void common_type(const Source::CommonType& common) {
    separate();
    annotations(common.annotations);
    indent();
    out_ += std::format("type {} = ", identifier(common.name));
    type(common.type);
    out_ += ";\n";
  }

  void entity(const Source::Entity& entity) {
    separate();
    annotations(entity.annotations);
    indent();
    out_ += std::format("entity {}", identifier(entity.name));
    if (entity.enumeration) {
      out_ += " enum ";
      list(*entity.enumeration, [&](const std::string& id) { out_ += quoted(id); });
    }
    if (!entity.parents.empty()) {
      out_ += " in ";
      references(entity.parents);
    }
    if (entity.shape) {
      out_ += entity.shape->kind == Source::Type::Kind::record ? " " : " = ";
      type(*entity.shape);
    }
    if (entity.tags) {
      out_ += " tags ";
      type(*entity.tags);
    }
    out_ += ";\n";
  }

  void action(const Source::Action& action) {
    separate();
    annotations(action.annotations);
    indent();
    out_ += std::format("action {}", name_or_string(action.id));
    if (!action.parents.empty()) {
      out_ += " in ";
      list(action.parents, [&](const Source::ActionReference& parent) {
        out_ += parent.type.empty() ? name_or_string(parent.id)
                                    : std::format("{}::{}", parent.type, quoted(parent.id));
      });
    }
    // Applying to nothing is written by not saying what it applies to.
    if (action.applies && !action.applies->principals.empty() && !action.applies->resources.empty())
      applies_to(*action.applies);
    out_ += ";\n";
  }

  void applies_to(const Source::AppliesTo& applies) {
    out_ += " appliesTo {\n";
    ++level_;
    indent();
    out_ += "principal: ";
    references(applies.principals);
    out_ += ",\n";
    indent();
    out_ += "resource: ";
    references(applies.resources);
    out_ += ",\n";
    if (applies.context) {
      indent();
      out_ += "context: ";
      type(*applies.context);
      out_ += ",\n";
    }
    --level_;
    indent();
    out_ += '}';
  }

  template <class T, class F>
  void list(const std::vector<T>& all, F&& write) {
    out_ += '[';
    for (const T& one : all) {
      if (&one != all.data()) out_ += ", ";
      write(one);
    }
    out_ += ']';
  }

  void references(const std::vector<Source::Reference>& all) {
    list(all, [&](const Source::Reference& one) { out_ += one.name; });
  }

  void type(const Source::Type& type) {
    switch (type.kind) {
      case Source::Type::Kind::name:
      case Source::Type::Kind::common: out_ += type.text; return;
      case Source::Type::Kind::entity:
        if (hidden(type.text))
          complain(std::format(
              "schema text cannot name the entity type `{}`: a common type has that name, too",
              type.text));
        out_ += type.text;
        return;
      case Source::Type::Kind::builtin:
        if (declared(type.text)) out_ += "__cedar::";
        out_ += type.text;
        return;
      case Source::Type::Kind::set:
        out_ += "Set<";
        this->type(type.element[0]);
        out_ += '>';
        return;
      case Source::Type::Kind::record: record(type.attributes); return;
    }
  }

  void record(const std::vector<Source::Attribute>& attributes) {
    if (attributes.empty()) {
      out_ += "{}";
      return;
    }
    out_ += "{\n";
    ++level_;
    for (const Source::Attribute& attribute : attributes) {
      annotations(attribute.annotations);
      indent();
      out_ += name_or_string(attribute.name);
      out_ += attribute.required ? ": " : "?: ";
      type(attribute.type);
      out_ += ",\n";
    }
    --level_;
    indent();
    out_ += '}';
  }

  // Whether a name, looked up here, would find a common type.
  bool hidden(const std::string& name) const {
    return common_.contains(qualified(space_->name, name)) || common_.contains(name);
  }
  // Whether it would find any type of the schema.
  bool declared(const std::string& name) const {
    return hidden(name) || entities_.contains(qualified(space_->name, name)) ||
           entities_.contains(name);
  }

  const Source& source_;
  const Source::Namespace* space_ = nullptr;
  std::string out_;
  std::string complaint_;
  std::set<std::string> common_;
  std::set<std::string> entities_;
  std::size_t level_ = 0;
  bool fresh_ = true;
};

}  // namespace

base::Result<std::string> to_schema_text(const SchemaSource& source) {
  return SchemaPrinter(source).run();
}

}  // namespace latticegate::cedar
