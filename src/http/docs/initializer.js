// Starts Swagger UI on the contract that this server embeds.

// Swagger UI has dark colors but, without its own top bar, nobody to turn them on: the page follows the system.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();

// Swagger UI fills every field with its parameter's example and would send them all: a filter nobody asked for, an
// `If-None-Match` that makes the first answer an empty 304, the same `Idempotency-Key` for two different products. An
// example of an optional parameter is there to be read; only what a request cannot do without is filled in.
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

// The parameters of a path come after those of its operations, so `id` would stand below headers that hardly anybody needs.
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

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // The API key outlives a reload, in this browser's local storage.
  persistAuthorization: true,
  plugins: [optionalFieldsStartEmpty, requiredParametersFirst, schemasStartClosed],
  // Beside a request or response a schema shows what its members are, most of which are schemas of their own.
  defaultModelExpandDepth: 2,
  // Tags and operations come in the contract's order: no sorter is set. No filter either, there are few of them.
  filter: false,
  // Swagger UI would send the contract to a public validator.
  validatorUrl: null,
});
