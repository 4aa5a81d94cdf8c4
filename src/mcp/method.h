// The methods and notifications of MCP, all revisions, as one table.
// Source: specification revisions 2024-11-05 to 2026-07-28.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <string_view>

namespace latticegate::mcp {

enum class Method : std::uint8_t {
  completion_complete,
  elicitation_create,
  initialize,
  logging_set_level,
  notifications_cancelled,
  notifications_elicitation_complete,
  notifications_initialized,
  notifications_message,
  notifications_progress,
  notifications_prompts_list_changed,
  notifications_resources_list_changed,
  notifications_resources_updated,
  notifications_roots_list_changed,
  notifications_subscriptions_acknowledged,
  notifications_tasks,
  notifications_tasks_status,
  notifications_tools_list_changed,
  ping,
  prompts_get,
  prompts_list,
  resources_list,
  resources_read,
  resources_subscribe,
  resources_templates_list,
  resources_unsubscribe,
  roots_list,
  sampling_create_message,
  server_discover,
  subscriptions_listen,
  tasks_cancel,
  tasks_get,
  tasks_list,
  tasks_result,
  tasks_update,
  tools_call,
  tools_list,
  unknown,
};

enum class From : std::uint8_t { client, server, both };

struct MethodRow {
  std::string_view name;
  Method method;
  From from;
  bool notification;
};

// Sorted by name.
inline constexpr auto methods = std::to_array<MethodRow>({
    {"completion/complete", Method::completion_complete, From::client, false},
    {"elicitation/create", Method::elicitation_create, From::server, false},
    {"initialize", Method::initialize, From::client, false},
    {"logging/setLevel", Method::logging_set_level, From::client, false},
    {"notifications/cancelled", Method::notifications_cancelled, From::both, true},
    {"notifications/elicitation/complete", Method::notifications_elicitation_complete, From::server,
     true},
    {"notifications/initialized", Method::notifications_initialized, From::client, true},
    {"notifications/message", Method::notifications_message, From::server, true},
    {"notifications/progress", Method::notifications_progress, From::both, true},
    {"notifications/prompts/list_changed", Method::notifications_prompts_list_changed, From::server,
     true},
    {"notifications/resources/list_changed", Method::notifications_resources_list_changed,
     From::server, true},
    {"notifications/resources/updated", Method::notifications_resources_updated, From::server,
     true},
    {"notifications/roots/list_changed", Method::notifications_roots_list_changed, From::client,
     true},
    {"notifications/subscriptions/acknowledged", Method::notifications_subscriptions_acknowledged,
     From::server, true},
    {"notifications/tasks", Method::notifications_tasks, From::server, true},
    {"notifications/tasks/status", Method::notifications_tasks_status, From::both, true},
    {"notifications/tools/list_changed", Method::notifications_tools_list_changed, From::server,
     true},
    {"ping", Method::ping, From::both, false},
    {"prompts/get", Method::prompts_get, From::client, false},
    {"prompts/list", Method::prompts_list, From::client, false},
    {"resources/list", Method::resources_list, From::client, false},
    {"resources/read", Method::resources_read, From::client, false},
    {"resources/subscribe", Method::resources_subscribe, From::client, false},
    {"resources/templates/list", Method::resources_templates_list, From::client, false},
    {"resources/unsubscribe", Method::resources_unsubscribe, From::client, false},
    {"roots/list", Method::roots_list, From::server, false},
    {"sampling/createMessage", Method::sampling_create_message, From::server, false},
    {"server/discover", Method::server_discover, From::client, false},
    {"subscriptions/listen", Method::subscriptions_listen, From::client, false},
    {"tasks/cancel", Method::tasks_cancel, From::both, false},
    {"tasks/get", Method::tasks_get, From::both, false},
    {"tasks/list", Method::tasks_list, From::both, false},
    {"tasks/result", Method::tasks_result, From::both, false},
    {"tasks/update", Method::tasks_update, From::client, false},
    {"tools/call", Method::tools_call, From::client, false},
    {"tools/list", Method::tools_list, From::client, false},
});
static_assert(std::ranges::is_sorted(methods, {}, &MethodRow::name));

// Null for a method that no revision knows.
constexpr const MethodRow* find_method(std::string_view name) {
  const auto* const row = std::ranges::lower_bound(methods, name, {}, &MethodRow::name);
  return row != methods.end() && row->name == name ? row : nullptr;
}
static_assert(find_method("tools/call")->method == Method::tools_call);
static_assert(find_method("tools/kill") == nullptr);

}  // namespace latticegate::mcp
