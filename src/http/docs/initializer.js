// Starts Swagger UI on the contract that this server embeds.

// Swagger UI has dark colors but, without its own top bar, nobody to turn them on: the page follows the system.
const dark = window.matchMedia("(prefers-color-scheme: dark)");
const followSystem = () => document.documentElement.classList.toggle("dark-mode", dark.matches);
dark.addEventListener("change", followSystem);
followSystem();

SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#swagger-ui",
  deepLinking: true,
  docExpansion: "list",
  tryItOutEnabled: true,
  displayRequestDuration: true,
  // The API key outlives a reload, in this browser's local storage.
  persistAuthorization: true,
  // The models are listed, each of them closed (at 0 the list is closed too, and then a model takes two clicks). Beside a
  // request or response a schema shows what its members are, most of which are schemas of their own.
  defaultModelsExpandDepth: 1,
  defaultModelExpandDepth: 2,
  // Tags and operations come in the contract's order: no sorter is set. No filter either, there are few of them.
  filter: false,
  // Swagger UI would send the contract to a public validator.
  validatorUrl: null,
});
