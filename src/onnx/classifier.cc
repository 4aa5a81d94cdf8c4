#include "onnx/classifier.h"

#ifdef LG_ONNXRUNTIME  // CMakeLists.txt found the header

#include <dlfcn.h>
#include <onnxruntime_c_api.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <format>
#include <iostream>
#include <string>
#include <utility>
#include <vector>

namespace latticegate::onnx {
namespace {

using base::Code;
using base::fail;
using base::Result;

// One per process; never unloaded, because its threads and statics outlive whoever loaded it.
class Runtime {
 public:
  static Result<const Runtime*> get() {
    static const Result<Runtime> runtime = load();
    if (!runtime) return std::unexpected(runtime.error());
    return &*runtime;
  }
  const OrtApi& api() const { return *api_; }
  OrtEnv* environment() const { return environment_; }

 private:
  static Result<Runtime> load() {
    const std::string name = std::format("libonnxruntime.so.1.{}", ORT_API_VERSION);
    void* const library = dlopen(name.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) {
      const char* const why = dlerror();
      return fail(Code::unavailable,
                  std::format("cannot load {} (Debian: libonnxruntime1.{}): {}", name,
                              ORT_API_VERSION, why != nullptr ? why : "no reason given"));
    }
    const auto base = reinterpret_cast<const OrtApiBase* (*)()>(dlsym(library, "OrtGetApiBase"));
    Runtime out;
    if (base != nullptr) out.api_ = base()->GetApi(ORT_API_VERSION);
    if (out.api_ == nullptr)
      return fail(Code::unavailable, std::format("{} is of another version", name));
    // Debian's libonnx has registered its operators when the runtime does it again: a thousand
    // lines of complaint on standard error, none of them of use.
    std::streambuf* const talk = std::cerr.rdbuf(nullptr);
    OrtStatus* const status =
        out.api_->CreateEnv(ORT_LOGGING_LEVEL_ERROR, "latticegate", &out.environment_);
    std::cerr.rdbuf(talk);
    std::cerr.clear();
    if (status != nullptr) {
      out.api_->ReleaseStatus(status);
      return fail(Code::unavailable, std::format("{} does not start", name));
    }
    return out;
  }
  const OrtApi* api_ = nullptr;
  OrtEnv* environment_ = nullptr;
};

// What the runtime gives out, with the function that takes it back.
template <typename T>
struct Release {
  void (*release)(T*) = nullptr;
  void operator()(T* value) const {
    if (value != nullptr) release(value);
  }
};
template <typename T>
using Held = std::unique_ptr<T, Release<T>>;

Result<void> checked(const OrtApi& api, OrtStatus* status, Code code = Code::invalid) {
  if (status == nullptr) return {};
  std::string words = api.GetErrorMessage(status);
  api.ReleaseStatus(status);
  return fail(code, std::move(words));
}

struct Form {
  ONNXTensorElementDataType element = ONNX_TENSOR_ELEMENT_DATA_TYPE_UNDEFINED;
  std::vector<std::int64_t> shape;  // -1: open
};

class OnnxClassifier final : public inspect::Classifier {
 public:
  static Result<std::shared_ptr<const inspect::Classifier>> open(
      const std::filesystem::path& path) {
    const auto runtime = Runtime::get();
    if (!runtime) return std::unexpected(runtime.error());
    auto out = std::make_shared<OnnxClassifier>(**runtime);
    if (auto ready = out->prepare(path); !ready)
      return base::within(path.string(), std::move(ready).error());
    return out;
  }
  explicit OnnxClassifier(const Runtime& runtime)
      : runtime_(runtime), session_(nullptr, {runtime.api().ReleaseSession}) {}

  std::optional<float> judge(std::string_view text) const override {
    const OrtApi& api = runtime_.api();
    OrtAllocator* allocator = nullptr;
    if (!checked(api, api.GetAllocatorWithDefaultOptions(&allocator))) return std::nullopt;
    constexpr std::array<std::int64_t, 2> ones = {1, 1};
    OrtValue* made = nullptr;
    if (!checked(api, api.CreateTensorAsOrtValue(allocator, ones.data(), dimensions_,
                                                 ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING, &made)))
      return std::nullopt;
    const Held<OrtValue> input(made, {api.ReleaseValue});
    const std::string copy(text);  // the runtime wants an end
    const char* const words = copy.c_str();
    if (!checked(api, api.FillStringTensor(input.get(), &words, 1))) return std::nullopt;
    const char* const input_name = input_.c_str();
    const char* const output_name = output_.c_str();
    const OrtValue* const inputs = input.get();
    OrtValue* result = nullptr;
    if (!checked(api, api.Run(session_.get(), nullptr, &input_name, &inputs, 1, &output_name, 1,
                              &result)))
      return std::nullopt;
    const Held<OrtValue> output(result, {api.ReleaseValue});
    OrtTensorTypeAndShapeInfo* shape = nullptr;
    if (!checked(api, api.GetTensorTypeAndShape(output.get(), &shape))) return std::nullopt;
    const Held<OrtTensorTypeAndShapeInfo> held(shape, {api.ReleaseTensorTypeAndShapeInfo});
    std::size_t count = 0;
    void* data = nullptr;
    if (!checked(api, api.GetTensorShapeElementCount(shape, &count)) || count == 0 ||
        !checked(api, api.GetTensorMutableData(output.get(), &data)))
      return std::nullopt;
    const float last = static_cast<const float*>(data)[count - 1];
    if (std::isnan(last)) return std::nullopt;
    return std::clamp(last, 0.0F, 1.0F);
  }

 private:
  Result<void> prepare(const std::filesystem::path& path) {
    const OrtApi& api = runtime_.api();
    OrtSessionOptions* made = nullptr;
    if (auto done = checked(api, api.CreateSessionOptions(&made)); !done) return done;
    const Held<OrtSessionOptions> options(made, {api.ReleaseSessionOptions});
    // The threads are the caller's.
    if (auto done = checked(api, api.SetIntraOpNumThreads(made, 1)); !done) return done;
    if (auto done = checked(api, api.SetInterOpNumThreads(made, 1)); !done) return done;
    OrtSession* session = nullptr;
    if (auto done =
            checked(api, api.CreateSession(runtime_.environment(), path.c_str(), made, &session));
        !done)
      return done;
    session_.reset(session);
    std::size_t inputs = 0, outputs = 0;
    if (auto done = checked(api, api.SessionGetInputCount(session, &inputs)); !done) return done;
    if (auto done = checked(api, api.SessionGetOutputCount(session, &outputs)); !done) return done;
    if (inputs != 1)
      return fail(Code::invalid,
                  std::format("the model has {} inputs; expected one, a text", inputs));
    const auto input = form_of(0, true);
    if (!input) return std::unexpected(input.error());
    dimensions_ = input->shape.size();
    if (input->element != ONNX_TENSOR_ELEMENT_DATA_TYPE_STRING || dimensions_ < 1 ||
        dimensions_ > 2 ||
        std::ranges::any_of(input->shape, [](std::int64_t n) { return n != 1 && n != -1; }))
      return fail(Code::invalid, "the model's input is not one text (strings, [1] or [1, 1])");
    std::optional<std::size_t> says;
    for (std::size_t at = 0; at < outputs; ++at)
      if (const auto form = form_of(at, false);
          form && form->element == ONNX_TENSOR_ELEMENT_DATA_TYPE_FLOAT)
        says = at;
    if (!says) return fail(Code::invalid, "the model has no output that is a tensor of floats");
    auto names = name_of(0, true);
    if (!names) return std::unexpected(std::move(names).error());
    input_ = *std::move(names);
    names = name_of(*says, false);
    if (!names) return std::unexpected(std::move(names).error());
    output_ = *std::move(names);
    if (!judge("a text"))
      return fail(Code::invalid, "the model says nothing of a text that it is shown");
    return {};
  }

  Result<Form> form_of(std::size_t index, bool input) const {
    const OrtApi& api = runtime_.api();
    OrtTypeInfo* info = nullptr;
    if (auto done =
            checked(api, (input ? api.SessionGetInputTypeInfo : api.SessionGetOutputTypeInfo)(
                             session_.get(), index, &info));
        !done)
      return std::unexpected(std::move(done).error());
    const Held<OrtTypeInfo> held(info, {api.ReleaseTypeInfo});
    const OrtTensorTypeAndShapeInfo* tensor = nullptr;  // of `info`
    if (auto done = checked(api, api.CastTypeInfoToTensorInfo(info, &tensor)); !done)
      return std::unexpected(std::move(done).error());
    Form form;
    if (tensor == nullptr) return form;  // a map or a sequence
    std::size_t dimensions = 0;
    if (auto done = checked(api, api.GetTensorElementType(tensor, &form.element)); !done)
      return std::unexpected(std::move(done).error());
    if (auto done = checked(api, api.GetDimensionsCount(tensor, &dimensions)); !done)
      return std::unexpected(std::move(done).error());
    form.shape.resize(dimensions);
    if (auto done = checked(api, api.GetDimensions(tensor, form.shape.data(), dimensions)); !done)
      return std::unexpected(std::move(done).error());
    return form;
  }

  Result<std::string> name_of(std::size_t index, bool input) const {
    const OrtApi& api = runtime_.api();
    OrtAllocator* allocator = nullptr;
    if (auto done = checked(api, api.GetAllocatorWithDefaultOptions(&allocator)); !done)
      return std::unexpected(std::move(done).error());
    char* name = nullptr;
    if (auto done = checked(api, (input ? api.SessionGetInputName : api.SessionGetOutputName)(
                                     session_.get(), index, allocator, &name));
        !done)
      return std::unexpected(std::move(done).error());
    std::string out(name);
    return checked(api, api.AllocatorFree(allocator, name)).transform([&] { return out; });
  }

  const Runtime& runtime_;
  Held<OrtSession> session_;
  std::string input_, output_;
  std::size_t dimensions_ = 1;
};

}  // namespace

bool is_supported() { return true; }

Result<std::shared_ptr<const inspect::Classifier>> open_classifier(
    const std::filesystem::path& model) {
  return OnnxClassifier::open(model);
}

}  // namespace latticegate::onnx

#else

namespace latticegate::onnx {

bool is_supported() { return false; }

base::Result<std::shared_ptr<const inspect::Classifier>> open_classifier(
    const std::filesystem::path& /*model*/) {
  return base::fail(base::Code::unsupported,
                    "this program was built without ONNX Runtime (Debian: libonnxruntime-dev)");
}

}  // namespace latticegate::onnx

#endif
