// Records as OTLP logs: the bytes of an ExportLogsServiceRequest (opentelemetry-proto, logs v1) for
// POST /v1/logs with Content-Type application/x-protobuf.
//
// Each record is one log record: its time, a severity, its type as the event's name, trace and span
// where it has them, its canonical JSON as body, and what people filter by as attributes in the
// words of the semantic conventions (mcp.method.name, gen_ai.tool.name, ...).
//
// Or calls as OTLP spans (ExportTraceServiceRequest, for POST /v1/traces): one SERVER span for each
// call that is over, `tools/call NAME`, under the span that the client named in its traceparent;
// what records tell of nothing else is left out. A call without a trace is a trace of its own,
// under its uid.
//
// Written by hand: the protocol is three kinds of fields. Pure.
#pragma once
#include <cstdint>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "json/value.h"

namespace latticegate::audit {

class OtlpRequest {
 public:
  enum class Signal : std::uint8_t { logs, spans };
  // `node`: service.instance.id; `version`: the program's.
  OtlpRequest(std::string_view node, std::string_view version, Signal signal = Signal::logs);
  void add(json::Value record, base::Time observed);
  std::size_t size() const { return records_.size(); }  // bytes, about
  // The whole request; begins anew.
  std::string take();

 private:
  void add_span(json::Value record);
  Signal signal_;
  std::string resource_;
  std::string scope_;
  std::string records_;
};

}  // namespace latticegate::audit
