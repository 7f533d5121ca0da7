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
  // The list of models is closed until somebody wants it; one opened from there shows its members at once.
  defaultModelsExpandDepth: 0,
  defaultModelExpandDepth: 2,
  // Tags and operations come in the contract's order: no sorter is set. No filter either, there are few of them.
  filter: false,
  // Swagger UI would send the contract to a public validator.
  validatorUrl: null,
});
