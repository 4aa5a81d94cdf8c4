// SchemaSource: a schema as it is written, in Cedar's schema text or in its JSON form; names are
// not resolved, annotations are kept. This is what the two syntaxes are converted through; what
// policies are checked against is the Schema that it resolves to (schema.h).
//
// Posture as for policies: size, nesting and counts are limited, errors are values. Errors in text
// are `file:line:column: ...`, in JSON `file: at Namespace.entityTypes.User.shape: ...`. Fuzz
// target: fuzz/cedar_fuzz.cc.
#pragma once
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "json/value.h"

namespace latticegate::cedar {

struct SourceFile;

// The parts of a schema as they are written.
namespace written {

// Where it stands in the text, in bytes; 0 in what came from JSON.
using Place = std::uint32_t;

struct Annotation {
  std::string key;
  std::string value;
};
using Annotations = std::vector<Annotation>;

struct Attribute;

struct Type {
  enum class Kind : std::uint8_t {
    name,  // of a common type, an entity type or a builtin type, whichever it turns out to be;
           // __cedar::Long is always the builtin type
    // What only the JSON form says:
    common,   // of a common type, or a builtin type: {"type": "Session"}
    entity,   // of an entity type: {"type": "Entity", "name": "User"}
    builtin,  // {"type": "Long"}, {"type": "Extension", "name": "ipaddr"}: text is Bool for
              // Boolean
    set,
    record,
  };
  Kind kind = Kind::record;
  std::string text;                   // of the names: as written, maybe with a namespace
  std::vector<Type> element;          // set: exactly one
  std::vector<Attribute> attributes;  // record
  Place place = 0;
};

struct Attribute {
  std::string name;
  bool required = true;
  Type type;
  Annotations annotations;
  Place place = 0;
};

struct Reference {  // to an entity type
  std::string name;
  Place place = 0;
};

struct Entity {
  std::string name;  // without its namespace
  std::vector<Reference> parents;
  std::optional<Type> shape;
  std::optional<Type> tags;
  std::optional<std::vector<std::string>> enumeration;  // the ids, for `enum`
  Annotations annotations;
  Place place = 0;
};

struct ActionReference {
  std::string type;  // "" for one of the same namespace
  std::string id;
  Place place = 0;
};

struct AppliesTo {
  std::vector<Reference> principals;
  std::vector<Reference> resources;
  std::optional<Type> context;
};

struct Action {
  std::string id;
  std::vector<ActionReference> parents;
  std::optional<AppliesTo> applies;
  Annotations annotations;
  Place place = 0;
};

struct CommonType {
  std::string name;
  Type type;
  Annotations annotations;
  Place place = 0;
};

struct Namespace {
  std::string name;  // "" for what stands outside of any
  std::vector<Entity> entities;
  std::vector<Action> actions;
  std::vector<CommonType> types;
  Annotations annotations;
  Place place = 0;
};

}  // namespace written

struct SchemaSource {
  using Place = written::Place;
  using Annotation = written::Annotation;
  using Annotations = written::Annotations;
  using Type = written::Type;
  using Attribute = written::Attribute;
  using Reference = written::Reference;
  using Entity = written::Entity;
  using ActionReference = written::ActionReference;
  using AppliesTo = written::AppliesTo;
  using Action = written::Action;
  using CommonType = written::CommonType;
  using Namespace = written::Namespace;

  std::vector<Namespace> namespaces;       // each name once
  std::string name;                        // of the file, for messages
  std::shared_ptr<const SourceFile> text;  // null when it came from JSON
};

// Schema text: `entity User in [Group] {...}; action view appliesTo {...};`.
[[nodiscard]] base::Result<SchemaSource> read_schema_text(
    std::string_view text, std::string_view file = "schema.cedarschema");

// The JSON form: {"Namespace": {"entityTypes": {...}, "actions": {...}, "commonTypes": {...}}}.
// A key that is not known is an error. Declarations are read in the order of the document.
[[nodiscard]] base::Result<SchemaSource> read_schema_json(
    json::Value tree, std::string_view file = "schema.cedarschema.json");

// In one normal layout; reading it again gives the same declarations. Code::unsupported for what
// only the JSON form can say: a reference to an entity type of a name that a common type has, too,
// a name that is no identifier.
[[nodiscard]] base::Result<std::string> to_schema_text(const SchemaSource& source);

// Compact JSON. What the text leaves open (whether a name is an entity type or a common type) stays
// open: {"type": "EntityOrCommon"}. An empty context is left out.
std::string to_schema_json(const SchemaSource& source);

}  // namespace latticegate::cedar
