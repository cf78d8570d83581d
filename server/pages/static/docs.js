// The HTTP interface, drawn by Swagger UI from /openapi.json.
window.SwaggerUIBundle({
  url: "/openapi.json",
  dom_id: "#docs",
  deepLinking: true,
  // A token entered under Authorize is kept over reloads, as the player's page keeps its own.
  persistAuthorization: true,
  // A badge would be fetched from validator.swagger.io.
  validatorUrl: null,
  // Colouring writes inline styles, which the Content-Security-Policy refuses.
  syntaxHighlight: false,
});
