#include "decider.h"

#include <array>
#include <format>
#include <fstream>
#include <utility>

#include "cedar/conform.h"
#include "cedar/from_json.h"

namespace latticegate::app {
namespace {

using base::Code;
using base::fail;
using base::Result;

Result<cedar::Schema> schema_of(const Source& source) {
  if (!begins_with_brace(source.text)) return cedar::parse_schema(source.text, source.name);
  const auto document = json::Document::parse(source.text, lenient);
  if (!document) return base::within(source.name, document.error());
  return cedar::parse_schema(document->root(), source.name);
}

Result<cedar::Entities> entities_of(const std::optional<Source>& source,
                                    const std::optional<cedar::Schema>& schema) {
  cedar::Entities::Builder builder;
  if (source) {
    const auto document = json::Document::parse(source->text, lenient);
    if (!document) return base::within(source->name, document.error());
    auto added = cedar::add_entities(document->root(), builder, schema ? &*schema : nullptr);
    if (!added) return base::within(source->name, std::move(added).error());
  }
  if (schema) schema->add_action_entities(builder);
  auto built = builder.build();
  if (!built) return base::within(source ? source->name : "entities", std::move(built).error());
  return built;
}

}  // namespace

bool begins_with_brace(std::string_view text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && text[first] == '{';
}

Result<Source> read_source(const std::string& path, std::string name) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return fail(Code::io, std::format("cannot read {}", name));
  Source source{.name = std::move(name), .text = {}};
  std::array<char, 65'536> buffer{};
  while (file) {
    file.read(buffer.data(), buffer.size());
    source.text.append(buffer.data(), static_cast<std::size_t>(file.gcount()));
    if (source.text.size() > largest_file.count)
      return fail(Code::too_large,
                  std::format("{}: more than {} bytes", source.name, largest_file.count));
  }
  if (file.bad()) return fail(Code::io, std::format("cannot read {}", source.name));
  return source;
}

Result<Decider> Decider::make(const Sources& sources) {
  Decider decider;
  cedar::PolicySet::Builder policies(sources.naming);
  for (const Source& source : sources.policies)
    if (auto added = policies.add(source.text, source.name); !added)
      return std::unexpected(std::move(added).error());
  decider.program_ = cedar::Program::compile(policies.build());
  if (sources.schema) {
    auto schema = schema_of(*sources.schema);
    if (!schema) return std::unexpected(std::move(schema).error());
    decider.schema_ = *std::move(schema);
  }
  auto entities = entities_of(sources.entities, decider.schema_);
  if (!entities) return std::unexpected(std::move(entities).error());
  decider.entities_ = *std::move(entities);
  return decider;
}

Result<const cedar::Answer*> Decider::decide(const Question& question) {
  arena_->reset();
  request_ = {.principal = question.principal,
              .action = question.action,
              .resource = question.resource,
              .context = cedar::Value::empty_record()};
  if (question.context) {
    if (!question.context.is_object()) return fail(Code::invalid, "context: not an object");
    const cedar::SchemaAction* const declared =
        schema_ ? schema_->action(question.action) : nullptr;
    auto context =
        declared != nullptr
            ? cedar::value_from_json(question.context, cedar::Escapes::honoured, *declared->context,
                                     *arena_)
            : cedar::value_from_json(question.context, cedar::Escapes::honoured, *arena_);
    if (!context) return base::within("context", std::move(context).error());
    if (!context->is(cedar::Kind::record)) return fail(Code::invalid, "context: not a record");
    request_.context = *context;
  }
  if (schema_ && question.validate)
    if (auto fits = cedar::conforms(request_, *schema_); !fits)
      return base::within("request", std::move(fits).error());
  cedar::decide(program_, request_, cedar::EntityView(entities_), *arena_, slate_, answer_);
  return &answer_;
}

cedar::Explanation Decider::explain() {
  return cedar::explain(policies(), request_, cedar::EntityView(entities_), *arena_, answer_);
}

void write_answer(const cedar::Answer& answer, const cedar::PolicySet& policies,
                  json::Writer& writer) {
  writer.begin_object().member("decision", std::string(cedar::name(answer.decision)));
  writer.key("reason").begin_array();
  for (const cedar::PolicyIndex index : answer.reasons) writer.string(policies[index].id);
  writer.end_array().key("errors").begin_array();
  for (const cedar::PolicyFailure& failure : answer.errors)
    writer.string(policies[failure.policy].id);
  writer.end_array().end_object();
}

}  // namespace latticegate::app
