// The HTTP interface, drawn from /openapi.json by Swagger UI.
SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  docExpansion: "list",
  // Its badge would ask a server of somebody else.
  validatorUrl: null,
});
