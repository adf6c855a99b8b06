// Run in the page by looks.rs.
return [...document.querySelectorAll('button, a[href], input, [role="button"], [role="img"], [role="dialog"]')]
  .filter((element) => element.checkVisibility())
  .filter((element) => !(element.getAttribute('aria-label') || element.labels?.length
    || element.getAttribute('aria-labelledby') || element.textContent.trim()))
  .map((element) => element.outerHTML.slice(0, 120));
