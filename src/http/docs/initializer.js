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

// Only the first paragraph of the contract's description is shown until the rest is opened: on a phone the rest alone is longer
// than a screen, and the operations are below it. Each paragraph of the rest begins with its subject in bold.
const descriptionStartsFolded = ({ React, getComponent }) => ({
  wrapComponents: {
    info: (Original) => (props) => {
      const [first, ...rest] = (props.info.get("description") ?? "").split("\n\n");
      const subjects = rest.flatMap((paragraph) => paragraph.match(/^\*\*(.+?)\.?\*\*/)?.[1] ?? []);
      return React.createElement(
        React.Fragment,
        null,
        React.createElement(Original, { ...props, info: props.info.set("description", first) }),
        rest.length > 0 &&
          React.createElement(
            "details",
            { className: "description-rest" },
            React.createElement("summary", null, subjects.join(" · ") || "More"),
            React.createElement(getComponent("Markdown", true), { source: rest.join("\n\n") }),
          ),
      );
    },
  },
});

// A documented response is one line until it is opened: with their examples and headers those of one operation are several
// screens long, below the response that the service gave.
const responsesStartFolded = ({ React, getComponent }) => ({
  wrapComponents: {
    response: (Original) => (props) => {
      const [isOpen, setOpen] = React.useState(false);
      const { code, response, className, controlsAcceptHeader } = props;
      const toggle = React.createElement(
        "button",
        { type: "button", className: "response-fold", "aria-expanded": isOpen, onClick: () => setOpen(!isOpen) },
        React.createElement(getComponent("Markdown", true), { source: response.get("description") }),
      );
      return React.createElement(
        React.Fragment,
        null,
        React.createElement(
          "tr",
          { className: `response response-line ${className}` },
          React.createElement("td", { className: "response-col_status" }, code),
          React.createElement("td", { className: "response-col_description", colSpan: 2 }, toggle),
        ),
        // One of them sets the request's `Accept`, and has to be there for that.
        (isOpen || controlsAcceptHeader) &&
          React.createElement(Original, { ...props, className: isOpen ? "response-unfolded" : "response-hidden" }),
      );
    },
  },
});

// The examples fit together on a new database, where the first product and the first order have the id 1. Elsewhere the
// fields for an id follow what this page has created. What is to be deleted is the newest, and only where there is another:
// an example could be somebody's product, and the only one is needed further down.
const idsFollowWhatWasCreated = () => {
  const created = new Map();
  const collection = (path) => path.split("/{id}")[0];
  return {
    statePlugins: {
      spec: {
        wrapActions: {
          setResponse:
            (original) =>
            (path, method, response) => {
              const id = response?.obj?.id ?? response?.body?.id;
              if (method.toLowerCase() === "post" && response?.status === 201 && id) {
                created.set(path, [...(created.get(path) ?? []), id]);
              }
              return original(path, method, response);
            },
        },
        wrapSelectors: {
          parameterWithMetaByIdentity:
            (original) =>
            (_state, ...args) => {
              const parameter = original(...args);
              if (parameter?.get("in") !== "path" || parameter.get("name") !== "id") {
                return parameter;
              }
              const [[path, method]] = args;
              const ids = created.get(collection(path)) ?? [];
              const isDelete = method.toLowerCase() === "delete";
              const id = isDelete ? (ids.length > 1 ? ids.at(-1) : undefined) : ids[0];
              if (id !== undefined) {
                return parameter.set("example", id);
              }
              return isDelete ? parameter.delete("example").deleteIn(["schema", "example"]) : parameter;
            },
        },
      },
    },
  };
};

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
  plugins: [
    optionalFieldsStartEmpty,
    requiredParametersFirst,
    idsFollowWhatWasCreated,
    descriptionStartsFolded,
    responsesStartFolded,
    schemasStartClosed,
  ],
  // The schema of a request or response is expanded by two levels, since most of its members are schemas as well.
  defaultModelExpandDepth: 2,
  // No sorter, so that tags and operations keep the contract's order. No filter, since there are few of them.
  filter: false,
  // Swagger UI would send the contract to a public validator.
  validatorUrl: null,
});
