// Starts Swagger UI on the contract that this server embeds.

// Swagger UI switches to dark mode by a button in its top bar. This page has no top bar, so it follows the system.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();

// Swagger UI fills every field with its parameter's example and would send them all: unwanted filters, an
// `If-None-Match` that makes the first response an empty 304, the same `Idempotency-Key` for two different products. So
// only required parameters are filled in.
const optionalFieldsStartEmpty = () => ({
  statePlugins: {
    spec: {
      wrapSelectors: {
        parameterWithMetaByIdentity:
          (original) =>
          (_state, ...args) => {
            const parameter = original(...args);
            return !parameter || parameter.get("required")
              ? parameter
              : parameter.delete("example").deleteIn(["schema", "example"]);
          },
      },
    },
  },
});

// Swagger UI lists a path's parameters after those of its operations, so `id` would be below headers that are rarely used.
const requiredParametersFirst = ({ React }) => ({
  wrapComponents: {
    parameters: (Original) => (props) =>
      React.createElement(Original, {
        ...props,
        parameters: props.parameters.sortBy((parameter) => !parameter.get("required")),
      }),
  },
});

// The list of schemas starts closed: open, it is longer than all operations together. (The setting for this, a
// `defaultModelsExpandDepth` of 0, would also close each schema behind a second button within the first.)
const schemasStartClosed = () => ({
  afterLoad: ({ layoutActions }) => layoutActions.show(["components", "schemas"], false),
});

// Swagger UI keeps under this name what was entered under "Authorize". Of that only the API key outlives a reload: a
// signature is of one body at one time, and an old one would count in place of a new one in its field.
const kept = "authorized";
try {
  const { ApiKey } = JSON.parse(localStorage.getItem(kept) ?? "{}");
  localStorage.setItem(kept, JSON.stringify(ApiKey ? { ApiKey } : {}));
} catch {
  localStorage.removeItem(kept);
}

SwaggerUIBundle({
  url: "openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // The API key outlives a reload, in this browser's local storage.
  persistAuthorization: true,
  plugins: [optionalFieldsStartEmpty, requiredParametersFirst, schemasStartClosed],
  // The schema of a request or response is expanded by two levels, since most of its members are schemas as well.
  defaultModelExpandDepth: 2,
  // No sorter, so that tags and operations keep the contract's order. No filter, since there are few of them.
  filter: false,
  // Swagger UI would send the contract to a public validator.
  validatorUrl: null,
});
